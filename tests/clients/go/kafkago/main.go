// segmentio/kafka-go: BOOTSTRAP TOPIC ROUNDS PER_ROUND CODEC
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

func main() {
	bootstrap, topic, codec := os.Args[1], os.Args[2], os.Args[5]
	rounds, _ := strconv.Atoi(os.Args[3])
	perRound, _ := strconv.Atoi(os.Args[4])
	codecs := map[string]kafka.Compression{
		"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
	}
	writer := &kafka.Writer{
		Addr:         kafka.TCP(strings.Split(bootstrap, ",")...),
		Topic:        topic,
		Balancer:     &kafka.Hash{},
		RequiredAcks: kafka.RequireAll,
		BatchTimeout: 5 * time.Millisecond,
		MaxAttempts:  20,
		Compression:  codecs[codec],
	}
	acked, failed, first := 0, 0, ""
	for round := 0; round < rounds; round++ {
		messages := make([]kafka.Message, perRound)
		for one := range messages {
			key := strconv.Itoa(round*perRound + one)
			messages[one] = kafka.Message{Key: []byte(key), Value: []byte(key + strings.Repeat(".", 200))}
		}
		err := writer.WriteMessages(context.Background(), messages...)
		var each kafka.WriteErrors
		switch {
		case err == nil:
			acked += perRound
		case errors.As(err, &each):
			for _, one := range each {
				if one == nil {
					acked++
				} else {
					failed++
				}
			}
		default:
			failed += perRound
		}
		if err != nil && first == "" {
			first = strings.ReplaceAll(err.Error(), "\n", " ")
		}
	}
	writer.Close()
	fmt.Printf("acked=%d failed=%d %s\n", acked, failed, first)
}
