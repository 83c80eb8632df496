"""confluent-kafka (librdkafka): BOOTSTRAP TOPIC ROUNDS PER_ROUND CODEC"""
import sys

from confluent_kafka import Producer

bootstrap, topic, rounds, per_round, codec = sys.argv[1:]
producer = Producer(
    {
        "bootstrap.servers": bootstrap,
        "compression.type": codec,
        "enable.idempotence": True,
        "linger.ms": 5,
    }
)
# What its users ask for first.
assert topic in producer.list_topics(timeout=30).topics
acked, failed, first = 0, 0, ""


def delivered(error, message):
    global acked, failed, first
    if error is None:
        acked += 1
    else:
        failed += 1
        first = first or str(error)


for round in range(int(rounds)):
    for value in range(round * int(per_round), (round + 1) * int(per_round)):
        producer.produce(topic, key=str(value), value=str(value) + "." * 200, on_delivery=delivered)
    producer.flush()
print(f"acked={acked} failed={failed} {first}")
