// franz-go: BOOTSTRAP TOPIC ROUNDS PER_ROUND CODEC
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	bootstrap, topic, codec := os.Args[1], os.Args[2], os.Args[5]
	rounds, _ := strconv.Atoi(os.Args[3])
	perRound, _ := strconv.Atoi(os.Args[4])
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(bootstrap, ",")...),
		kgo.ClientID("franz-go"),
		kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(codecs[codec]),
	)
	if err != nil {
		panic(err)
	}
	defer client.Close()
	acked, failed, first := 0, 0, ""
	for round := 0; round < rounds; round++ {
		records := make([]*kgo.Record, perRound)
		for one := range records {
			key := strconv.Itoa(round*perRound + one)
			records[one] = &kgo.Record{Key: []byte(key), Value: []byte(key + strings.Repeat(".", 200))}
		}
		for _, result := range client.ProduceSync(context.Background(), records...) {
			if result.Err == nil {
				acked++
				continue
			}
			failed++
			if first == "" {
				first = result.Err.Error()
			}
		}
	}
	fmt.Printf("acked=%d failed=%d %s\n", acked, failed, first)
}
