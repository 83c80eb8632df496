"""The side-by-side measurement of Kafka producers; ../README.md tells how to read it."""
