// sarama: BOOTSTRAP TOPIC ROUNDS PER_ROUND CODEC
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/IBM/sarama"
)

func main() {
	bootstrap, topic, codec := os.Args[1], os.Args[2], os.Args[5]
	rounds, _ := strconv.Atoi(os.Args[3])
	perRound, _ := strconv.Atoi(os.Args[4])
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.ClientID = "sarama"
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Producer.Retry.Max = 20
	config.Producer.Return.Successes = true
	if err := config.Producer.Compression.UnmarshalText([]byte(codec)); err != nil {
		panic(err)
	}
	producer, err := sarama.NewAsyncProducer(strings.Split(bootstrap, ","), config)
	if err != nil {
		panic(err)
	}
	acked, failed, first := 0, 0, ""
	for round := 0; round < rounds; round++ {
		for one := 0; one < perRound; one++ {
			key := strconv.Itoa(round*perRound + one)
			value := sarama.StringEncoder(key + strings.Repeat(".", 200))
			producer.Input() <- &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(key), Value: value}
		}
		for one := 0; one < perRound; one++ {
			select {
			case <-producer.Successes():
				acked++
			case err := <-producer.Errors():
				failed++
				if first == "" {
					first = err.Error()
				}
			}
		}
	}
	if err := producer.Close(); err != nil && first == "" {
		first = err.Error()
	}
	fmt.Printf("acked=%d failed=%d %s\n", acked, failed, first)
}
