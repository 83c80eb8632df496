// kafkajs: BOOTSTRAP TOPIC ROUNDS PER_ROUND CODEC (gzip is the only codec that it brings)
import { CompressionTypes, Kafka, logLevel } from "kafkajs";

const [bootstrap, topic, rounds, perRound, codec] = process.argv.slice(2);
const kafka = new Kafka({ brokers: bootstrap.split(","), clientId: "kafkajs", logLevel: logLevel.NOTHING });
const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
await producer.connect();
let acked = 0, failed = 0, first = "";
for (let round = 0; round < Number(rounds); round++) {
  const messages = [];
  for (let one = 0; one < Number(perRound); one++) {
    const key = String(round * Number(perRound) + one);
    messages.push({ key, value: key + ".".repeat(200) });
  }
  try {
    await producer.send({ topic, acks: -1, compression: codec === "gzip" ? CompressionTypes.GZIP : undefined, messages });
    acked += messages.length;
  } catch (error) {
    failed += messages.length;
    first ||= String(error);
  }
}
await producer.disconnect();
console.log(`acked=${acked} failed=${failed} ${first}`);
