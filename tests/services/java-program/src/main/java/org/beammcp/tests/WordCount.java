package org.beammcp.tests;

import java.util.Arrays;
import java.util.Locale;
import org.apache.beam.sdk.Pipeline;
import org.apache.beam.sdk.io.TextIO;
import org.apache.beam.sdk.metrics.Counter;
import org.apache.beam.sdk.metrics.Metrics;
import org.apache.beam.sdk.options.PipelineOptions;
import org.apache.beam.sdk.options.PipelineOptionsFactory;
import org.apache.beam.sdk.options.Validation;
import org.apache.beam.sdk.transforms.Count;
import org.apache.beam.sdk.transforms.DoFn;
import org.apache.beam.sdk.transforms.MapElements;
import org.apache.beam.sdk.transforms.ParDo;
import org.apache.beam.sdk.values.KV;
import org.apache.beam.sdk.values.TypeDescriptors;

/** Counts words with Beam's Java SDK, as any program of a user would; runner and endpoint come from the command line. */
public final class WordCount {

  /** What it counts and where to. */
  public interface Options extends PipelineOptions {
    @Validation.Required
    String getInput();

    void setInput(String value);

    @Validation.Required
    String getOutput();

    void setOutput(String value);
  }

  /** Words of a line, in lower case. */
  static final class Extract extends DoFn<String, String> {
    private static final long serialVersionUID = 1L;
    private final Counter words = Metrics.counter("wordcount", "words");

    @ProcessElement
    public void process(@Element String line, OutputReceiver<String> out) {
      Arrays.stream(line.split("[^A-Za-z']+"))
          .filter(word -> !word.isEmpty())
          .forEach(
              word -> {
                words.inc();
                out.output(word.toLowerCase(Locale.ROOT));
              });
    }
  }

  public static void main(String[] args) {
    Options options = PipelineOptionsFactory.fromArgs(args).withValidation().as(Options.class);
    Pipeline pipeline = Pipeline.create(options);
    pipeline
        .apply(TextIO.read().from(options.getInput()))
        .apply("Extract", ParDo.of(new Extract()))
        .apply(Count.perElement())
        .apply(
            MapElements.into(TypeDescriptors.strings())
                .via((KV<String, Long> row) -> row.getKey() + ": " + row.getValue()))
        .apply(TextIO.write().to(options.getOutput()));
    System.out.println("ended in state " + pipeline.run().waitUntilFinish());
  }

  private WordCount() {}
}
