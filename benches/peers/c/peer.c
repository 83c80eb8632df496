// librdkafka from C: rd_kafka_produce on a topic handle, values not copied on the way in
// (they live as long as the process), one thread that polls delivery reports.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define POOL (4 << 20)

static uint64_t x = 88172645463325252ull;
static uint64_t next(void) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        return x;
}
// The same bytes as rust/peerlib's pool().
static char *pool(const char *kind) {
        char *out = calloc(1, POOL + 512);
        size_t n = 0;
        static const char *events[] = {"order_placed", "order_shipped", "page_viewed", "cart_updated"};
        if (!strcmp(kind, "random"))
                for (; n < POOL; n += 8) {
                        uint64_t v = next();
                        memcpy(out + n, &v, 8);
                }
        else if (!strcmp(kind, "json"))
                while (n < POOL) {
                        uint64_t a = next(), b = next();
                        n += sprintf(out + n,
                                     "{\"ts\":%" PRIu64 ",\"id\":\"%016" PRIx64 "\",\"user\":\"user%" PRIu64
                                     "\",\"event\":\"%s\",\"amount\":%" PRIu64 ".%02" PRIu64
                                     ",\"currency\":\"EUR\",\"ok\":%s}\n",
                                     1700000000000ull + a % 1000000, b, a % 5000, events[b % 4], a % 977, b % 100,
                                     a & 1 ? "false" : "true");
                }
        return out;
}

static uint64_t clk(clockid_t id) {
        struct timespec t;
        clock_gettime(id, &t);
        return t.tv_sec * 1000000000ull + t.tv_nsec;
}
#define now() clk(CLOCK_MONOTONIC)

static _Atomic uint64_t acked, failed, first, caller_cpu, send_wall;
static atomic_int recording, stop;
static uint64_t *lat;
static size_t lat_n, lat_cap;

static void on_dr(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque) {
        (void)rk, (void)opaque;
        if (atomic_fetch_add_explicit(&acked, 1, memory_order_relaxed) == 0)
                first = clk(CLOCK_REALTIME);
        if (m->err)
                failed++;
        uint64_t sent = (uint64_t)m->_private;
        if (sent && recording) {
                if (lat_n == lat_cap)
                        lat = realloc(lat, (lat_cap = lat_cap ? lat_cap * 2 : 1 << 16) * sizeof *lat);
                lat[lat_n++] = now() - sent;
        }
}

static const char *flag(int argc, char **argv, const char *name, const char *d) {
        for (int i = 1; i + 1 < argc; i += 2)
                if (!strcmp(argv[i] + 2, name))
                        return argv[i + 1];
        return d;
}
#define F(name, d) flag(argc, argv, name, d)

static rd_kafka_t *rk;
static rd_kafka_topic_t *rkt;
static char *data, **keys;
static uint64_t n_values, n_keys, sample;
static size_t size;
static int partitions, threads, msgflags;

static void *poller(void *arg) {
        (void)arg;
        while (!stop)
                rd_kafka_poll(rk, 100);
        return NULL;
}

struct part {
        uint64_t from, n;
        double rate;
};
static void *one(void *arg) {
        struct part *p = arg;
        uint64_t cpu = clk(CLOCK_THREAD_CPUTIME_ID), wall = now(), start = wall, ms = 0;
        double per_ms = p->rate / threads / 1000, allowed = 0, sent = 0;
        for (uint64_t i = p->from; i < p->from + p->n; i++) {
                if (per_ms > 0 && ++sent > allowed) {
                        while (sent > allowed)
                                allowed = (double)++ms * per_ms;
                        int64_t d = (int64_t)(start + ms * 1000000 - now());
                        if (d > 0) {
                                struct timespec t = {d / 1000000000, d % 1000000000};
                                nanosleep(&t, NULL);
                        }
                }
                uint64_t at = i % sample == 0 ? now() : 0;
                char *k = n_keys ? keys[i % n_keys] : NULL;
                if (rd_kafka_produce(rkt, partitions ? (int32_t)(i % partitions) : RD_KAFKA_PARTITION_UA,
                                     RD_KAFKA_MSG_F_BLOCK | msgflags, data + (i % n_values) * size, size, k, k ? 12 : 0,
                                     (void *)at)) {
                        fprintf(stderr, "produce: %s\n", rd_kafka_err2str(rd_kafka_last_error()));
                        exit(1);
                }
        }
        caller_cpu += clk(CLOCK_THREAD_CPUTIME_ID) - cpu;
        send_wall += now() - wall;
        return NULL;
}
static void send_all(uint64_t from, uint64_t n, double rate) {
        pthread_t t[64];
        struct part p[64];
        for (int i = 0; i < threads; i++) {
                uint64_t a = n * i / threads, b = n * (i + 1) / threads;
                p[i] = (struct part) {from + a, b - a, rate};
                if (i)
                        pthread_create(&t[i], NULL, one, &p[i]);
        }
        one(&p[0]);
        for (int i = 1; i < threads; i++)
                pthread_join(t[i], NULL);
}
static void wait_acked(uint64_t n) {
        while (acked < n)
                usleep(200);
}
static double status(const char *field) {
        FILE *f = fopen("/proc/self/status", "r");
        char line[256];
        double v = 0;
        while (fgets(line, sizeof line, f))
                if (!strncmp(line, field, strlen(field)))
                        sscanf(line + strlen(field) + 1, "%lf", &v);
        fclose(f);
        return v;
}
static double tv(struct timeval t) {
        return t.tv_sec + t.tv_usec / 1e6;
}
static int cmp(const void *a, const void *b) {
        uint64_t p = *(uint64_t *)a, q = *(uint64_t *)b;
        return (p > q) - (p < q);
}

int main(int argc, char **argv) {
        size = atol(F("record-size", "100"));
        double rate = atof(F("throughput", "-1"));
        uint64_t num = atoll(F("num-records", "1000000")), warmup = atoll(F("warmup", "0"));
        sample = atoll(F("sample", rate > 0 ? "1" : "128"));
        partitions = atoi(F("partitions", "0"));
        threads = atoi(F("threads", "1"));
        msgflags = strcmp(F("copy", "false"), "true") ? 0 : RD_KAFKA_MSG_F_COPY;
        const char *mode = F("mode", "bench");
        data = pool(F("payload", "json"));
        n_values = POOL / size;
        n_keys = atoll(F("keys", "0"));
        keys = malloc(n_keys * sizeof *keys);
        for (uint64_t k = 0; k < n_keys; k++) {
                keys[k] = malloc(16);
                sprintf(keys[k], "key-%08u", (unsigned)k % 100000000u);
        }
        char err[512], kb[32];
        snprintf(kb, sizeof kb, "%ld", atol(F("buffer-memory", "33554432")) / 1024);
        const char *conf[][2] = {
            {"bootstrap.servers", F("bootstrap", "127.0.0.1:9092")},
            {"acks", F("acks", "all")},
            {"enable.idempotence", F("idempotence", "true")},
            {"compression.type", F("compression", "none")},
            {"linger.ms", F("linger-ms", "5")},
            {"batch.size", F("batch-size", "16384")},
            // batch.num.messages stays 10,000: librdkafka sizes each batch's buffer by min(queue, that count).
            // The queue's own limit on records is lifted: bytes should decide, as in Java.
            {"queue.buffering.max.messages", "10000000"},
            {"queue.buffering.max.kbytes", kb},
            {"max.in.flight", F("in-flight", "5")},
        };
        rd_kafka_conf_t *c = rd_kafka_conf_new();
        for (size_t i = 0; i < sizeof conf / sizeof *conf; i++)
                if (rd_kafka_conf_set(c, conf[i][0], conf[i][1], err, sizeof err)) {
                        fprintf(stderr, "%s\n", err);
                        return 1;
                }
        rd_kafka_conf_set_dr_msg_cb(c, on_dr);
        rk = rd_kafka_new(RD_KAFKA_PRODUCER, c, err, sizeof err);
        if (!rk) {
                fprintf(stderr, "%s\n", err);
                return 1;
        }
        rkt = rd_kafka_topic_new(rk, F("topic", "peers"), NULL);
        pthread_t pt;
        pthread_create(&pt, NULL, poller, NULL);

        struct rusage r0 = {0}, r1 = {0};
        uint64_t n = 1, al[4] = {0};
        double secs = 1;
        char extra[128] = "";
        void (*allocs)(uint64_t *, uint64_t *) = dlsym(RTLD_DEFAULT, "peers_allocs");
        if (strcmp(mode, "bench")) {
                send_all(0, 1, -1);
                rd_kafka_flush(rk, 60000);
                wait_acked(1);
                if (!strcmp(mode, "idle")) {
                        sleep(1);
                        // This thread's own sleep is no wake-up of the client's.
                        struct rusage own0, own1;
                        getrusage(RUSAGE_THREAD, &own0);
                        getrusage(RUSAGE_SELF, &r0);
                        sleep(atoi(F("idle-secs", "10")));
                        getrusage(RUSAGE_SELF, &r1);
                        getrusage(RUSAGE_THREAD, &own1);
                        snprintf(extra, sizeof extra, ",\"idle_cpu_ms\":%.2f,\"idle_switches\":%ld",
                                 1e3 * (tv(r1.ru_utime) - tv(r0.ru_utime) + tv(r1.ru_stime) - tv(r0.ru_stime)),
                                 r1.ru_nvcsw - r0.ru_nvcsw - (own1.ru_nvcsw - own0.ru_nvcsw));
                        memset(&r0, 0, sizeof r0), memset(&r1, 0, sizeof r1);
                }
        } else {
                if (warmup) {
                        send_all(0, warmup, -1);
                        rd_kafka_flush(rk, 600000);
                        wait_acked(warmup);
                        usleep(100000);
                }
                caller_cpu = send_wall = 0;
                recording = 1;
                n = num;
                if (allocs)
                        allocs(&al[0], &al[1]);
                getrusage(RUSAGE_SELF, &r0);
                uint64_t t0 = now();
                send_all(warmup, n, rate);
                rd_kafka_flush(rk, 600000);
                wait_acked(warmup + n);
                secs = (now() - t0) / 1e9;
                getrusage(RUSAGE_SELF, &r1);
                if (allocs)
                        allocs(&al[2], &al[3]);
        }
        qsort(lat, lat_n, sizeof *lat, cmp);
        double q[4] = {.5, .99, .999, 1};
        for (int i = 0; i < 4; i++)
                q[i] = lat_n ? lat[(size_t)((lat_n - 1) * q[i] + .5)] / 1e3 : 0;
        const char *t0 = getenv("PEERS_T0_NS");
        double u = tv(r1.ru_utime) - tv(r0.ru_utime), s = tv(r1.ru_stime) - tv(r0.ru_stime);
        printf("{\"client\":\"librdkafka-c\",\"version\":\"%s\",\"mode\":\"%s\",\"records\":%" PRIu64 ",\"acked\":%" PRIu64
               ",\"errors\":%" PRIu64
               ",\"secs\":%.4f,\"rec_s\":%.0f,\"mb_s\":%.2f,\"cpu_user_s\":%.3f,\"cpu_sys_s\":%.3f,\"cpu_us_rec\":%.4f,"
               "\"caller_cpu_ns_rec\":%.1f,\"send_wall_ns_rec\":%.1f,\"vol_switches\":%ld,\"invol_switches\":%ld,"
               "\"peak_rss_mb\":%.1f,\"rss_mb\":%.1f,\"threads\":%.0f,\"allocs_rec\":%.3f,\"alloc_bytes_rec\":%.1f,"
               "\"lat_n\":%zu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,\"first_ack_ms\":%.1f%s}\n",
               rd_kafka_version_str(), mode, n, acked, failed, secs, n / secs, n * size / 1e6 / secs, u, s, (u + s) * 1e6 / n,
               (double)caller_cpu / n, (double)send_wall / n / threads, r1.ru_nvcsw - r0.ru_nvcsw,
               r1.ru_nivcsw - r0.ru_nivcsw, status("VmHWM") / 1024, status("VmRSS") / 1024, status("Threads"),
               allocs ? (double)(al[2] - al[0]) / n : -1, allocs ? (double)(al[3] - al[1]) / n : -1, lat_n, q[0], q[1], q[2],
               q[3], t0 ? (first - atof(t0)) / 1e6 : 0, extra);
        fflush(stdout);
        _exit(0);
}
