// @platformatic/kafka: BOOTSTRAP TOPIC ROUNDS PER_ROUND CODEC
import { Producer, stringSerializers } from "@platformatic/kafka";

// Node 22 has it, and the client needs it.
Promise.withResolvers ??= () => {
  let resolve, reject;
  const promise = new Promise((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
};

const [bootstrap, topic, rounds, perRound, codec] = process.argv.slice(2);
const producer = new Producer({
  clientId: "platformatic",
  bootstrapBrokers: bootstrap.split(","),
  serializers: stringSerializers,
  idempotent: true,
  compression: codec,
});
let acked = 0, failed = 0, first = "";
for (let round = 0; round < Number(rounds); round++) {
  const messages = [];
  for (let one = 0; one < Number(perRound); one++) {
    const key = String(round * Number(perRound) + one);
    messages.push({ topic, key, value: key + ".".repeat(200) });
  }
  try {
    await producer.send({ messages });
    acked += messages.length;
  } catch (error) {
    failed += messages.length;
    first ||= String(error);
  }
}
await producer.close();
console.log(`acked=${acked} failed=${failed} ${first}`);
