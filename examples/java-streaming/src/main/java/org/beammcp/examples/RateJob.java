package org.beammcp.examples;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.apache.flink.api.common.accumulators.IntCounter;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.metrics.Counter;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/**
 * A job to stop, scale and restore: numbers at a steady rate, counted by key in checkpointed state.
 *
 * <p>The source is chained to the map that sleeps, so that no buffer between them holds back a
 * checkpoint barrier. The keyed count after it receives only as much as the map lets pass.
 *
 * <pre>
 * --rate N       records a second and subtask (default 50)
 * --count N      records in all, after which the job finishes (default: practically endless)
 * --keys N       distinct keys (default 16)
 * --fail-at N    fail on each record whose number is N (default: never); restarts fail again
 * --say TEXT     print TEXT and the number of each record, to the task manager's standard output (default: nothing)
 * --name TEXT    name of the job (default ratejob)
 * --input_source, --output_sink   taken and not used: the numbers come from the job itself
 * </pre>
 *
 * <p>Both {@code --rate 5} and {@code --rate=5} are read.
 */
public final class RateJob {

  private static final Set<String> OPTIONS =
      Set.of("rate", "count", "keys", "fail-at", "say", "name", "input_source", "output_sink");

  /** Lets {@code rate} records a second pass. */
  static final class Throttle extends RichMapFunction<Long, Long> {
    private static final long serialVersionUID = 1L;
    private final long rate;
    private final long failAt;
    private final String say;
    private transient long start;
    private transient long passed;

    Throttle(long rate, long failAt, String say) {
      this.rate = rate;
      this.failAt = failAt;
      this.say = say;
    }

    @Override
    public void open(OpenContext context) {
      start = System.nanoTime();
    }

    @Override
    public Long map(Long value) throws InterruptedException {
      if (value == failAt) {
        throw new IllegalStateException(String.format(Locale.ROOT, "ratejob: told to fail at %d", value));
      }
      long wait = start + ++passed * 1_000_000_000L / rate - System.nanoTime();
      if (wait > 0) {
        Thread.sleep(wait / 1_000_000L, (int) (wait % 1_000_000L));
      }
      if (say != null) {
        System.out.println(say + " " + value);
      }
      return value;
    }
  }

  /** Counts records by key. */
  static final class KeyedCount extends RichMapFunction<Long, Long> {
    private static final long serialVersionUID = 1L;
    private final IntCounter accumulator = new IntCounter();
    private transient ValueState<Long> seen;
    private transient Counter elements;

    @Override
    public void open(OpenContext context) {
      seen = getRuntimeContext().getState(new ValueStateDescriptor<>("seen", Types.LONG));
      elements = getRuntimeContext().getMetricGroup().addGroup("ratejob").counter("elements");
      getRuntimeContext().addAccumulator("elements", accumulator);
    }

    @Override
    public Long map(Long value) throws Exception {
      Long before = seen.value();
      long now = before == null ? 1 : before + 1;
      seen.update(now);
      elements.inc();
      accumulator.add(1);
      return now;
    }
  }

  private static Map<String, String> parse(String[] args) {
    Map<String, String> options = new HashMap<>();
    for (int i = 0; i < args.length; i++) {
      String[] parts = args[i].split("=", 2);
      String name = parts[0].startsWith("--") ? parts[0].substring(2) : "";
      if (!OPTIONS.contains(name)) {
        throw new IllegalArgumentException("ratejob: unknown option " + args[i]);
      }
      if (parts.length == 1 && ++i == args.length) {
        throw new IllegalArgumentException("ratejob: no value for --" + name);
      }
      options.put(name, parts.length == 2 ? parts[1] : args[i]);
    }
    return options;
  }

  private static long number(Map<String, String> options, String name, long fallback, long least) {
    String text = options.get(name);
    long value;
    try {
      value = text == null ? fallback : Long.parseLong(text);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException("ratejob: --" + name + " is not a number: " + text, e);
    }
    if (value < least) {
      throw new IllegalArgumentException("ratejob: --" + name + " is less than " + least + ": " + value);
    }
    return value;
  }

  public static void main(String[] args) throws Exception {
    Map<String, String> options = parse(args);
    long rate = number(options, "rate", 50, 1);
    long count = number(options, "count", 1L << 50, 1);
    long keys = number(options, "keys", 16, 1);
    long failAt = number(options, "fail-at", -1, -1);
    String name = options.getOrDefault("name", "ratejob");

    StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
    env.fromSequence(0, count - 1)
        .name("numbers")
        .uid("numbers")
        .map(new Throttle(rate, failAt, options.get("say")))
        .name("throttle")
        .uid("throttle")
        .keyBy(value -> value % keys, Types.LONG)
        .map(new KeyedCount())
        .name("count")
        .uid("count")
        .sinkTo(new DiscardingSink<>())
        .name("discard")
        .uid("discard");
    env.execute(name);
  }

  private RateJob() {}
}
