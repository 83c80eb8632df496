"""kafka-python: BOOTSTRAP TOPIC ROUNDS PER_ROUND CODEC"""
import sys

from kafka import KafkaProducer

bootstrap, topic, rounds, per_round, codec = sys.argv[1:]
producer = KafkaProducer(
    bootstrap_servers=bootstrap.split(","),
    compression_type=None if codec == "none" else codec,
    linger_ms=5,
)
acked, failed, first = 0, 0, ""
for round in range(int(rounds)):
    values = range(round * int(per_round), (round + 1) * int(per_round))
    sent = [producer.send(topic, key=b"%d" % value, value=b"%d" % value + b"." * 200) for value in values]
    for future in sent:
        try:
            future.get(timeout=120)
            acked += 1
        except Exception as error:
            failed += 1
            first = first or repr(error)
producer.close()
print(f"acked={acked} failed={failed} {first}")
