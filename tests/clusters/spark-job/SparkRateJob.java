package org.beammcp.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.util.LongAccumulator;

/**
 * A plain Spark job to watch and kill: numbers at a steady rate, counted in the accumulator {@code elements}.
 *
 * <pre>
 * --rate=N     numbers a second and slice (default 50)
 * --count=N    numbers in all (default: practically endless)
 * --slices=N   tasks (default 2)
 * --failAt=N   fail on that number (default: never)
 * --exit=N     leave with this code after the work (default 0)
 * --noContext=true   throw before there is a SparkContext
 * </pre>
 */
public final class SparkRateJob {

  private static String option(String[] args, String name, String fallback) {
    for (String arg : args) {
      if (arg.startsWith("--" + name + "=")) {
        return arg.substring(name.length() + 3);
      }
    }
    return fallback;
  }

  public static void main(String[] args) throws Exception {
    long rate = Long.parseLong(option(args, "rate", "50"));
    long count = Long.parseLong(option(args, "count", "100000000"));
    int slices = Integer.parseInt(option(args, "slices", "2"));
    long failAt = Long.parseLong(option(args, "failAt", "-1"));
    int exit = Integer.parseInt(option(args, "exit", "0"));
    if (Boolean.parseBoolean(option(args, "noContext", "false"))) {
      throw new IllegalArgumentException("ratejob: told to fail before it begins");
    }
    System.out.println("ratejob begins");
    try (JavaSparkContext context = new JavaSparkContext(new SparkConf())) {
      LongAccumulator elements = context.sc().longAccumulator("elements");
      long each = count / slices;
      List<Integer> numbers = new ArrayList<>();
      for (int slice = 0; slice < slices; slice++) {
        numbers.add(slice);
      }
      context
          .parallelize(numbers, slices)
          .foreach(
              slice -> {
                long start = System.nanoTime();
                for (long at = 0; at < each; at++) {
                  long number = at * slices + slice;
                  if (number == failAt) {
                    throw new IllegalStateException(
                        String.format(Locale.ROOT, "ratejob: told to fail at %d", number));
                  }
                  long wait = start + (at + 1) * 1_000_000_000L / rate - System.nanoTime();
                  if (wait > 0) {
                    Thread.sleep(wait / 1_000_000L, (int) (wait % 1_000_000L));
                  }
                  elements.add(1);
                }
              });
      System.out.println("ratejob counted " + elements.value());
    }
    if (exit != 0) {
      System.exit(exit);
    }
  }

  private SparkRateJob() {}
}
