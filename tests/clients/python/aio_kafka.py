"""aiokafka: BOOTSTRAP TOPIC ROUNDS PER_ROUND CODEC"""
import asyncio
import sys

from aiokafka import AIOKafkaProducer


async def main(bootstrap, topic, rounds, per_round, codec):
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        compression_type=None if codec == "none" else codec,
        linger_ms=5,
        enable_idempotence=True,
    )
    await producer.start()
    acked, failed, first = 0, 0, ""
    for round in range(int(rounds)):
        values = range(round * int(per_round), (round + 1) * int(per_round))
        sent = [await producer.send(topic, key=b"%d" % value, value=b"%d" % value + b"." * 200) for value in values]
        for outcome in await asyncio.gather(*sent, return_exceptions=True):
            if isinstance(outcome, BaseException):
                failed += 1
                first = first or repr(outcome)
            else:
                acked += 1
    await producer.stop()
    print(f"acked={acked} failed={failed} {first}")


asyncio.run(main(*sys.argv[1:]))
