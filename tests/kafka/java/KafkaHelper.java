import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Kafka's own client code behind a pipe: the tests ask in lines, and one JVM answers all of them,
 * since starting one per question costs seconds. Ends when its input ends.
 *
 * <p>A question is one line, words separated by single spaces; the first argument of those about a
 * cluster is its bootstrap servers. The answer is any number of lines that start with a space,
 * then "ok" or "error MESSAGE". Bytes are "x" and hex digits, null is "-".
 */
public final class KafkaHelper {
    private static final HexFormat HEX = HexFormat.of();
    private static final int ADMIN_TIMEOUT_MS = 60_000;
    private static final Duration READ_TIMEOUT = Duration.ofSeconds(300);

    /** Where answers go; System.out itself is redirected, so that no library can write between. */
    private final PrintStream answers;

    private final Map<String, Admin> admins = new HashMap<>();

    private KafkaHelper(PrintStream answers) {
        this.answers = answers;
    }

    public static void main(String[] args) throws Exception {
        PrintStream answers = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        System.setOut(System.err);
        KafkaHelper helper = new KafkaHelper(answers);
        BufferedReader questions =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = questions.readLine(); line != null; line = questions.readLine()) {
            try {
                helper.answer(line.split(" "));
                answers.println("ok");
            } catch (Exception | LinkageError error) {
                Throwable cause =
                        error instanceof ExecutionException && error.getCause() != null
                                ? error.getCause()
                                : error;
                answers.println("error " + cause.toString().replace('\n', ' '));
            }
            answers.flush();
        }
        // Halts, because clients of a cluster that is gone may take their time to close.
        Runtime.getRuntime().halt(0);
    }

    private void answer(String[] words) throws Exception {
        switch (words[0]) {
            case "format" -> format(words[1], words[2]);
            case "nodes" -> nodes(words[1]);
            case "create" -> create(words);
            case "grow" -> grow(words[1], words[2], Integer.parseInt(words[3]));
            case "delete" -> delete(words[1], words[2]);
            case "leaders" -> leaders(words[1], words[2]);
            case "ends" -> ends(words[1], words[2]);
            case "read" -> read(words[1], words[2], "read_uncommitted");
            case "committed" -> read(words[1], words[2], "read_committed");
            case "offsets" -> offsets(words[1], words[2]);
            case "feature" -> feature(words[1], words[2], Short.parseShort(words[3]));
            case "transactions" -> transactions(words[1]);
            case "partitions" -> partitions(words);
            case "transact" -> transact(words);
            default -> throw new IllegalArgumentException("unknown question " + words[0]);
        }
    }

    /** Prepares the log directories of one node. */
    private void format(String clusterId, String configFile) {
        String[] args = {"format", "-t", clusterId, "-c", configFile};
        int code = kafka.tools.StorageTool.execute(args, System.err);
        if (code != 0) {
            throw new IllegalStateException("StorageTool ended with " + code);
        }
    }

    /** The ids of the brokers that are up. */
    private void nodes(String bootstrap) throws Exception {
        for (Node node : admin(bootstrap).describeCluster().nodes().get()) {
            answers.println(" " + node.id());
        }
    }

    /** create BOOTSTRAP TOPIC PARTITIONS REPLICATION [NAME=VALUE]... */
    private void create(String[] words) throws Exception {
        Map<String, String> configs = new HashMap<>();
        for (int i = 5; i < words.length; i++) {
            String[] pair = words[i].split("=", 2);
            configs.put(pair[0], pair[1]);
        }
        int partitions = Integer.parseInt(words[3]);
        NewTopic topic = new NewTopic(words[2], partitions, Short.parseShort(words[4]));
        once(
                admin(words[1]).createTopics(List.of(topic.configs(configs))).all(),
                TopicExistsException.class);
        awaitLeaders(words[1], words[2], partitions);
    }

    private void grow(String bootstrap, String topic, int partitions) throws Exception {
        Map<String, NewPartitions> growth = Map.of(topic, NewPartitions.increaseTo(partitions));
        once(admin(bootstrap).createPartitions(growth).all(), InvalidPartitionsException.class);
        awaitLeaders(bootstrap, topic, partitions);
    }

    /** Deletes a topic and waits until no broker that is asked knows it. */
    private void delete(String bootstrap, String topic) throws Exception {
        once(
                admin(bootstrap).deleteTopics(List.of(topic)).all(),
                UnknownTopicOrPartitionException.class);
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(ADMIN_TIMEOUT_MS);
        while (admin(bootstrap).listTopics().names().get().contains(topic)) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException(topic + " is still there");
            }
            Thread.sleep(20);
        }
    }

    /** Each partition with its leader (-1 if none) and its in-sync replicas. */
    private void leaders(String bootstrap, String topic) throws Exception {
        for (TopicPartitionInfo info : describe(bootstrap, topic).partitions()) {
            List<String> isr = new ArrayList<>();
            info.isr().forEach(node -> isr.add(Integer.toString(node.id())));
            int leader = info.leader() == null ? -1 : info.leader().id();
            answers.println(" " + info.partition() + " " + leader + " " + String.join(",", isr));
        }
    }

    /** Each partition with its end offset. */
    private void ends(String bootstrap, String topic) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap, "read_uncommitted")) {
            Collection<TopicPartition> all = topicPartitions(bootstrap, topic);
            consumer.endOffsets(all)
                    .forEach((tp, end) -> answers.println(" " + tp.partition() + " " + end));
        }
    }

    /**
     * Every record from the beginning to the end offsets of this moment:
     * PARTITION OFFSET TIMESTAMP TIMESTAMP-TYPE KEY VALUE [NAME=VALUE]...
     */
    private void read(String bootstrap, String topic, String isolation) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap, isolation)) {
            Collection<TopicPartition> all = topicPartitions(bootstrap, topic);
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            long deadline = System.nanoTime() + READ_TIMEOUT.toNanos();
            while (!ends.entrySet().stream()
                    .allMatch(end -> consumer.position(end.getKey()) >= end.getValue())) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException("cannot read " + topic + " to its end");
                }
                for (ConsumerRecord<byte[], byte[]> record :
                        consumer.poll(Duration.ofMillis(500))) {
                    if (record.offset() < ends.get(topicPartition(record))) {
                        print(record);
                    }
                }
            }
        }
    }

    /** What a group has committed: TOPIC PARTITION OFFSET */
    private void offsets(String bootstrap, String group) throws Exception {
        admin(bootstrap)
                .listConsumerGroupOffsets(group)
                .partitionsToOffsetAndMetadata()
                .get()
                .forEach(
                        (tp, offset) ->
                                answers.println(
                                        " " + tp.topic() + " " + tp.partition() + " "
                                                + offset.offset()));
    }

    /** Finalizes a feature of the cluster at this level. */
    private void feature(String bootstrap, String name, short level) throws Exception {
        FeatureUpdate update =
                new FeatureUpdate(level, FeatureUpdate.UpgradeType.SAFE_DOWNGRADE);
        FeatureUpdate upgrade = new FeatureUpdate(level, FeatureUpdate.UpgradeType.UPGRADE);
        try {
            admin(bootstrap)
                    .updateFeatures(Map.of(name, upgrade), new UpdateFeaturesOptions())
                    .all()
                    .get();
        } catch (ExecutionException error) {
            admin(bootstrap)
                    .updateFeatures(Map.of(name, update), new UpdateFeaturesOptions())
                    .all()
                    .get();
        }
    }

    /**
     * The transactions that the coordinators know: ID STATE. By a client of its own: one that has seen
     * a broker leave fails with "Unexpected key set".
     */
    private void transactions(String bootstrap) throws Exception {
        Admin old = admins.remove(bootstrap);
        if (old != null) {
            old.close(Duration.ZERO);
        }
        for (TransactionListing one : admin(bootstrap).listTransactions().all().get()) {
            answers.println(" " + one.transactionalId() + " " + one.state());
        }
    }

    /** What Kafka's default partitioner says: partitions COUNT KEY... */
    private void partitions(String[] words) {
        int count = Integer.parseInt(words[1]);
        for (int i = 2; i < words.length; i++) {
            byte[] key = HEX.parseHex(words[i].substring(1));
            answers.println(" " + BuiltInPartitioner.partitionForKey(key, count));
        }
    }

    /**
     * transact BOOTSTRAP TRANSACTIONAL-ID STEP...: what Kafka's producers do, one step after the
     * other, and for each step a line: ok, or the error. A step begins with the producer's number:
     * 0.init, 0.begin, 0.send=TOPIC:PARTITION:VALUE, 0.offset=GROUP:TOPIC:PARTITION:OFFSET,
     * 0.commit, 0.abort.
     */
    private void transact(String[] words) {
        Map<String, KafkaProducer<String, String>> producers = new HashMap<>();
        for (int i = 3; i < words.length; i++) {
            String[] step = words[i].split("\\.", 2);
            KafkaProducer<String, String> producer =
                    producers.computeIfAbsent(step[0], number -> producer(words[1], words[2]));
            try {
                transact(producer, step[1]);
                answers.println(" " + words[i] + " ok");
            } catch (Exception error) {
                Throwable cause = error instanceof ExecutionException ? error.getCause() : error;
                answers.println(" " + words[i] + " " + cause.getClass().getSimpleName());
            }
        }
        producers.values().forEach(producer -> producer.close(Duration.ZERO));
    }

    private static void transact(KafkaProducer<String, String> producer, String step)
            throws Exception {
        String[] parts = step.split("[=:]");
        switch (parts[0]) {
            case "init" -> producer.initTransactions();
            case "begin" -> producer.beginTransaction();
            case "send" ->
                    producer.send(
                                    new ProducerRecord<>(
                                            parts[1], Integer.valueOf(parts[2]), null, parts[3]))
                            .get();
            case "offset" -> {
                TopicPartition partition = new TopicPartition(parts[2], Integer.parseInt(parts[3]));
                producer.sendOffsetsToTransaction(
                        Map.of(partition, new OffsetAndMetadata(Long.parseLong(parts[4]), "java")),
                        new ConsumerGroupMetadata(parts[1]));
            }
            case "commit" -> producer.commitTransaction();
            case "abort" -> producer.abortTransaction();
            default -> throw new IllegalArgumentException("unknown step " + step);
        }
    }

    private static KafkaProducer<String, String> producer(String bootstrap, String id) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("transactional.id", id);
        properties.put("reconnect.backoff.max.ms", 200);
        return new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
    }

    private void print(ConsumerRecord<byte[], byte[]> record) {
        StringBuilder line = new StringBuilder();
        line.append(' ').append(record.partition());
        line.append(' ').append(record.offset());
        line.append(' ').append(record.timestamp());
        line.append(' ').append(record.timestampType());
        line.append(' ').append(hex(record.key()));
        line.append(' ').append(hex(record.value()));
        for (Header header : record.headers()) {
            line.append(' ').append(hex(header.key().getBytes(StandardCharsets.UTF_8)));
            line.append('=').append(hex(header.value()));
        }
        answers.println(line);
    }

    private void awaitLeaders(String bootstrap, String topic, int partitions) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(ADMIN_TIMEOUT_MS);
        while (true) {
            Optional<String> missing = Optional.empty();
            try {
                List<TopicPartitionInfo> infos = describe(bootstrap, topic).partitions();
                if (infos.size() < partitions
                        || infos.stream().anyMatch(info -> info.leader() == null)) {
                    missing = Optional.of("partitions or leaders");
                }
            } catch (ExecutionException error) {
                missing = Optional.of(error.toString());
            }
            if (missing.isEmpty()) {
                return;
            }
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException(topic + " lacks " + missing.get());
            }
            Thread.sleep(20);
        }
    }

    /**
     * Waits until it is done. The client asks again when an answer is late or lost, and is told
     * then that it was done before: nobody else makes, grows or deletes these topics.
     */
    private static void once(KafkaFuture<Void> change, Class<? extends ApiException> wasDoneBefore)
            throws Exception {
        try {
            change.get();
        } catch (ExecutionException error) {
            if (!wasDoneBefore.isInstance(error.getCause())) {
                throw error;
            }
        }
    }

    /** A broker that is asked may not know yet what another one has created. */
    private TopicDescription describe(String bootstrap, String topic) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(ADMIN_TIMEOUT_MS);
        while (true) {
            try {
                return admin(bootstrap)
                        .describeTopics(List.of(topic))
                        .allTopicNames()
                        .get()
                        .get(topic);
            } catch (ExecutionException error) {
                if (!(error.getCause() instanceof UnknownTopicOrPartitionException)
                        || System.nanoTime() > deadline) {
                    throw error;
                }
            }
            Thread.sleep(20);
        }
    }

    private Collection<TopicPartition> topicPartitions(String bootstrap, String topic)
            throws Exception {
        List<TopicPartition> all = new ArrayList<>();
        for (TopicPartitionInfo info : describe(bootstrap, topic).partitions()) {
            all.add(new TopicPartition(topic, info.partition()));
        }
        return all;
    }

    private Admin admin(String bootstrap) {
        return admins.computeIfAbsent(
                bootstrap,
                servers -> {
                    Properties properties = new Properties();
                    properties.put("bootstrap.servers", servers);
                    properties.put("default.api.timeout.ms", ADMIN_TIMEOUT_MS);
                    properties.put("request.timeout.ms", ADMIN_TIMEOUT_MS / 3);
                    properties.put("reconnect.backoff.max.ms", 200);
                    return Admin.create(properties);
                });
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String bootstrap, String isolation) {
        Properties properties = new Properties();
        properties.put("isolation.level", isolation);
        properties.put("bootstrap.servers", bootstrap);
        properties.put("enable.auto.commit", false);
        properties.put("auto.offset.reset", "earliest");
        properties.put("allow.auto.create.topics", false);
        properties.put("max.poll.records", 5000);
        properties.put("reconnect.backoff.max.ms", 200);
        return new KafkaConsumer<>(
                properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static TopicPartition topicPartition(ConsumerRecord<byte[], byte[]> record) {
        return new TopicPartition(record.topic(), record.partition());
    }

    private static String hex(byte[] bytes) {
        return bytes == null ? "-" : "x" + HEX.formatHex(bytes);
    }
}
