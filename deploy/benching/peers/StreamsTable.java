import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;
import org.msgpack.core.MessageBufferPacker;
import org.msgpack.core.MessagePack;
import org.msgpack.core.MessageUnpacker;

/** The plain step on Kafka Streams: one thread, RocksDB store with cache and changelog. */
public class StreamsTable {
  static final Map<String, Integer> AMOUNT_AT =
      Map.of("IssueCertificate", 2, "AllocateCertificate", 3, "Authorize", 0, "Capture", 1, "Restore", 1);
  static final String STORE = "ledger";
  static long warm;
  static long total;
  static volatile long seen;
  static volatile long[] began;
  static volatile long[] ended;

  static long[] now() {
    var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    return new long[] {System.nanoTime(), system.getProcessCpuTime()};
  }

  static class Step implements Processor<byte[], byte[], byte[], byte[]> {
    private KeyValueStore<byte[], byte[]> store;

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      store = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      if (seen == warm) {
        began = now();
      }
      try {
        apply(record.value());
      } catch (IOException | RuntimeException malformed) {
        // A malformed command is skipped, as the plain step has no dead letters.
      }
      if (++seen == total) {
        ended = now();
      }
    }

    private void apply(byte[] value) throws IOException {
      try (MessageUnpacker command = MessagePack.newDefaultUnpacker(value)) {
        command.unpackArrayHeader();
        command.unpackInt();
        String id = command.unpackString();
        command.unpackLong();
        String kind = command.unpackString();
        String key = command.unpackString();
        long amount = amount(command, AMOUNT_AT.getOrDefault(kind, -1));
        byte[] name = key.getBytes(StandardCharsets.UTF_8);
        store.put(name, after(store.get(name), key, id, amount));
      }
    }

    private static long amount(MessageUnpacker command, int at) throws IOException {
      int fields = command.unpackArrayHeader();
      if (at < 0 || at >= fields) {
        return 0;
      }
      command.skipValue(at);
      return command.tryUnpackNil() ? 0 : command.unpackLong();
    }

    private static byte[] after(byte[] before, String key, String id, long amount) throws IOException {
      long balance = 0;
      long held = 0;
      long count = 0;
      if (before != null) {
        try (MessageUnpacker state = MessagePack.newDefaultUnpacker(before)) {
          state.unpackArrayHeader();
          state.skipValue(1);
          balance = state.unpackLong();
          held = state.unpackLong();
          count = state.unpackLong();
        }
      }
      try (MessageBufferPacker state = MessagePack.newDefaultBufferPacker()) {
        state.packArrayHeader(5).packString(key).packLong(balance + amount).packLong(held);
        state.packLong(count + 1).packString(id);
        return state.toByteArray();
      }
    }
  }

  static Properties settings(String[] args) {
    boolean exact = args[5].equals("exactly_once_v2");
    Properties settings = new Properties();
    settings.put("application.id", args[4]);
    settings.put("bootstrap.servers", args[0]);
    settings.put("processing.guarantee", args[5]);
    settings.put("auto.offset.reset", "earliest");
    settings.put("state.dir", args[6]);
    settings.put("commit.interval.ms", exact ? "100" : "1000");
    settings.put("replication.factor", "1");
    settings.put("num.stream.threads", "1");
    settings.put("producer.acks", "all");
    return settings;
  }

  static long peakKb() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmHWM:")) {
        return Long.parseLong(line.replaceAll("\\D", ""));
      }
    }
    return 0;
  }

  /** Arguments: bootstrap, topic, warm, total, application id, guarantee, state folder. */
  public static void main(String[] args) throws Exception {
    warm = Long.parseLong(args[2]);
    total = Long.parseLong(args[3]);
    Topology topology = new Topology();
    topology.addSource("commands", new ByteArrayDeserializer(), new ByteArrayDeserializer(), args[1]);
    topology.addProcessor("step", Step::new, "commands");
    var store = Stores.keyValueStoreBuilder(
        Stores.persistentKeyValueStore(STORE), Serdes.ByteArray(), Serdes.ByteArray());
    topology.addStateStore(store.withLoggingEnabled(Map.of()).withCachingEnabled(), "step");
    KafkaStreams streams = new KafkaStreams(topology, settings(args));
    streams.start();
    while (ended == null && streams.state() != KafkaStreams.State.ERROR) {
      Thread.sleep(20);
    }
    if (ended != null) {
      System.out.printf(
          "{\"done\":%d,\"wall_s\":%s,\"cpu_s\":%s,\"peak_kb\":%d}%n",
          total - warm, (ended[0] - began[0]) / 1e9, (ended[1] - began[1]) / 1e9, peakKb());
    }
    streams.close(Duration.ofSeconds(5));
    Runtime.getRuntime().halt(ended == null ? 1 : 0);
  }
}
