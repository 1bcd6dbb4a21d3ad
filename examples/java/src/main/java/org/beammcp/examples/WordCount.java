package org.beammcp.examples;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.beam.sdk.Pipeline;
import org.apache.beam.sdk.io.TextIO;
import org.apache.beam.sdk.metrics.Counter;
import org.apache.beam.sdk.metrics.Distribution;
import org.apache.beam.sdk.metrics.Metrics;
import org.apache.beam.sdk.options.Description;
import org.apache.beam.sdk.options.PipelineOptions;
import org.apache.beam.sdk.options.PipelineOptionsFactory;
import org.apache.beam.sdk.options.Validation;
import org.apache.beam.sdk.transforms.Count;
import org.apache.beam.sdk.transforms.DoFn;
import org.apache.beam.sdk.transforms.MapElements;
import org.apache.beam.sdk.transforms.PTransform;
import org.apache.beam.sdk.transforms.ParDo;
import org.apache.beam.sdk.values.KV;
import org.apache.beam.sdk.values.PCollection;
import org.apache.beam.sdk.values.TypeDescriptors;

/** Counts the words of text files. Names no runner: {@code --runner} chooses it. */
public final class WordCount {

  /** Options of the pipeline. */
  public interface Options extends PipelineOptions {
    @Description("File or glob to read")
    @Validation.Required
    String getInput();

    void setInput(String value);

    @Description("Prefix of the files to write")
    @Validation.Required
    String getOutput();

    void setOutput(String value);
  }

  /** Splits a line into lower-case words and counts what passes. */
  static class ExtractWords extends DoFn<String, String> {
    private static final Pattern WORD = Pattern.compile("[A-Za-z']+");
    private static final String NAMESPACE = "wordcount";

    private final Counter lines = Metrics.counter(NAMESPACE, "lines");
    private final Counter emptyLines = Metrics.counter(NAMESPACE, "emptyLines");
    private final Counter words = Metrics.counter(NAMESPACE, "words");
    private final Distribution wordLength = Metrics.distribution(NAMESPACE, "wordLength");

    @ProcessElement
    public void processElement(@Element String line, OutputReceiver<String> out) {
      lines.inc();
      if (line.trim().isEmpty()) {
        emptyLines.inc();
      }
      Matcher matcher = WORD.matcher(line);
      while (matcher.find()) {
        String word = matcher.group().toLowerCase(Locale.ROOT);
        words.inc();
        wordLength.update(word.length());
        out.output(word);
      }
    }
  }

  /** Lines in, {@code word: count} lines out. */
  static class CountWords extends PTransform<PCollection<String>, PCollection<String>> {
    @Override
    public PCollection<String> expand(PCollection<String> lines) {
      return lines
          .apply("ExtractWords", ParDo.of(new ExtractWords()))
          .apply("Count", Count.perElement())
          .apply(
              "Format",
              MapElements.into(TypeDescriptors.strings())
                  .via((KV<String, Long> entry) -> entry.getKey() + ": " + entry.getValue()));
    }
  }

  public static void main(String[] args) {
    Options options = PipelineOptionsFactory.fromArgs(args).withValidation().as(Options.class);
    Pipeline pipeline = Pipeline.create(options);
    pipeline
        .apply("Read", TextIO.read().from(options.getInput()))
        .apply("CountWords", new CountWords())
        .apply("Write", TextIO.write().to(options.getOutput()));
    pipeline.run();
  }

  private WordCount() {}
}
