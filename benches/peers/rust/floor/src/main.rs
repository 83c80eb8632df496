//! What no client can beat: the work that any producer must do for a record, in one tight loop.
//!
//!     floor [--size 100] [--bootstrap 127.0.0.1:19500]   (the address of a sink; without it, no network rows)
//!     floor --bootstrap 127.0.0.1:19500 --num-records 3000000 ...    (as a client: all of their flags)
//!
//! Rows: best of 7 for loops without network, median of 5 with. As a client it is the row of two
//! threads, and prints the same result line as every other.

use peerlib::{CallerClock, Data, args, cpu_seconds, drive, now, on_acks, pool};
use std::collections::VecDeque;
use std::hint::black_box;
use std::io::{IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::sync::{Condvar, Mutex};

const PARTITIONS: usize = 6;

fn varint(b: &mut [u8], at: usize, v: i64) -> usize {
    let mut z = ((v << 1) ^ (v >> 63)) as u64;
    let mut i = at;
    while z >= 0x80 {
        b[i] = z as u8 | 0x80;
        z >>= 7;
        i += 1;
    }
    b[i] = z as u8;
    i + 1
}
fn varlen(v: i64) -> usize {
    let z = ((v << 1) ^ (v >> 63)) as u64 | 1;
    (70 - z.leading_zeros() as usize) / 7
}

/// One record batch being filled: 61 bytes of header, then records.
struct Batch {
    b: Vec<u8>,
    at: usize,
    n: i32,
    seq: i32,
}
impl Batch {
    fn new(cap: usize) -> Batch {
        Batch {
            b: vec![0; cap],
            at: 61,
            n: 0,
            seq: 0,
        }
    }
    /// False when full.
    #[inline]
    fn append(&mut self, ts: i64, v: &[u8]) -> bool {
        let body =
            1 + varlen(ts) + varlen(self.n as i64) + 1 + varlen(v.len() as i64) + v.len() + 1;
        if self.at + body + 5 > self.b.len() {
            return false;
        }
        let b = &mut self.b[..];
        let mut at = varint(b, self.at, body as i64);
        b[at] = 0;
        at = varint(b, at + 1, ts);
        at = varint(b, at, self.n as i64);
        b[at] = 1; // key length -1
        at = varint(b, at + 1, v.len() as i64);
        b[at..at + v.len()].copy_from_slice(v);
        at += v.len();
        b[at] = 0;
        self.at = at + 1;
        self.n += 1;
        true
    }
    fn seal(&mut self, crc: bool) {
        let n = self.at;
        let h = &mut self.b;
        h[8..12].copy_from_slice(&(n as i32 - 12).to_be_bytes());
        h[16] = 2;
        h[23..27].copy_from_slice(&(self.n - 1).to_be_bytes());
        h[43..51].copy_from_slice(&1000i64.to_be_bytes());
        h[53..57].copy_from_slice(&self.seq.to_be_bytes());
        h[57..61].copy_from_slice(&self.n.to_be_bytes());
        if crc {
            let c = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &h[21..n]) as u32;
            h[17..21].copy_from_slice(&c.to_be_bytes());
        }
    }
    fn reset(&mut self) {
        self.seq = self.seq.wrapping_add(self.n);
        self.at = 61;
        self.n = 0;
    }
}

fn best(name: &str, n: usize, mut f: impl FnMut()) {
    let mut b = f64::MAX;
    for _ in 0..7 {
        let t = now();
        f();
        b = b.min((now() - t) as f64 / n as f64);
    }
    println!("| {name} | {b:.1} | | |");
}

/// A Produce v7 request around sealed batches, sent with one gathered write.
struct Wire {
    s: TcpStream,
    in_flight: usize,
}
impl Wire {
    fn connect(addr: &str) -> Wire {
        let s = TcpStream::connect(addr).unwrap();
        s.set_nodelay(true).unwrap();
        Wire { s, in_flight: 0 }
    }
    fn send<'a>(&mut self, batches: impl Iterator<Item = (i32, &'a [u8])> + Clone) {
        let (count, bytes) = batches
            .clone()
            .fold((0i32, 0), |(c, n), (_, b)| (c + 1, n + 8 + b.len()));
        let mut h = Vec::with_capacity(64);
        let head = 2 + 2 + 4 + 2 + 2 + 2 + 4 + 4 + 2 + 5 + 4;
        h.extend_from_slice(&((head + bytes) as i32).to_be_bytes());
        h.extend_from_slice(&[0, 0, 0, 7, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        h.extend_from_slice(&30000i32.to_be_bytes());
        h.extend_from_slice(&1i32.to_be_bytes());
        h.extend_from_slice(&[0, 5]);
        h.extend_from_slice(b"floor");
        h.extend_from_slice(&count.to_be_bytes());
        let prefixes: Vec<[u8; 8]> = batches
            .clone()
            .map(|(p, b)| {
                let mut x = [0; 8];
                x[..4].copy_from_slice(&p.to_be_bytes());
                x[4..].copy_from_slice(&(b.len() as i32).to_be_bytes());
                x
            })
            .collect();
        let mut io = vec![IoSlice::new(&h)];
        for (p, (_, b)) in prefixes.iter().zip(batches) {
            io.push(IoSlice::new(p));
            io.push(IoSlice::new(b));
        }
        let mut io = &mut io[..];
        while !io.is_empty() {
            let n = self.s.write_vectored(io).unwrap();
            IoSlice::advance_slices(&mut io, n);
        }
        self.in_flight += 1;
    }
    fn reply(&mut self) {
        let mut l = [0; 4];
        self.s.read_exact(&mut l).unwrap();
        let mut b = [0; 1024];
        self.s
            .read_exact(&mut b[..u32::from_be_bytes(l) as usize])
            .unwrap();
        self.in_flight -= 1;
    }
}

fn median(name: &str, n: usize, mut f: impl FnMut()) {
    let mut v: Vec<(f64, f64)> = (0..5)
        .map(|_| {
            let (c, t) = (cpu_seconds(), now());
            f();
            (
                (now() - t) as f64 / n as f64,
                (cpu_seconds() - c) * 1e9 / n as f64,
            )
        })
        .collect();
    v.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (w, c) = v[2];
    println!("| {name} | {w:.1} | {c:.1} | {:.2} |", 1e3 / w);
}

/// The shape of a threaded producer: the caller encodes under a lock, another thread seals and writes.
fn two_threads<'a>(addr: &str, cap: usize, n: u64, value: impl Fn(u64) -> &'a [u8]) {
    let queue: Mutex<(VecDeque<(usize, Batch)>, bool)> = Mutex::new((VecDeque::new(), false));
    let free: Mutex<Vec<Batch>> =
        Mutex::new((0..(32 << 20) / cap).map(|_| Batch::new(cap)).collect());
    let (more, room) = (Condvar::new(), Condvar::new());
    std::thread::scope(|s| {
        s.spawn(|| {
            let mut w = Wire::connect(addr);
            loop {
                let mut q = queue.lock().unwrap();
                while q.0.is_empty() && !q.1 {
                    q = more.wait(q).unwrap();
                }
                let k = q.0.len().min(PARTITIONS);
                let mut bs: Vec<_> = q.0.drain(..k).collect();
                drop(q);
                if bs.is_empty() {
                    break;
                }
                bs.iter_mut().for_each(|b| b.1.seal(true));
                if w.in_flight == 5 {
                    w.reply();
                }
                w.send(bs.iter().map(|(p, b)| (*p as i32, &b.b[..b.at])));
                let mut f = free.lock().unwrap();
                for (_, mut b) in bs {
                    b.reset();
                    f.push(b);
                }
                drop(f);
                room.notify_one();
            }
            while w.in_flight > 0 {
                w.reply();
            }
        });
        let grab = || {
            let mut f = free.lock().unwrap();
            loop {
                if let Some(b) = f.pop() {
                    return b;
                }
                f = room.wait(f).unwrap();
            }
        };
        let clock = CallerClock::start();
        let open: Vec<Mutex<Batch>> = (0..PARTITIONS).map(|_| Mutex::new(grab())).collect();
        let budget = AtomicUsize::new(usize::MAX / 2);
        let pass_on = |p: usize, batch| {
            let mut q = queue.lock().unwrap();
            q.0.push_back((p, batch));
            if q.0.len() == 1 {
                more.notify_one();
            }
        };
        let mut p = 0;
        for i in 0..n {
            let v = value(i);
            budget.fetch_sub(v.len(), AcqRel);
            while !open[p].lock().unwrap().append((i & 63) as i64, v) {
                let full = std::mem::replace(&mut *open[p].lock().unwrap(), grab());
                pass_on(p, full);
                p = (p + 1) % PARTITIONS;
            }
        }
        for (p, last) in open.into_iter().enumerate() {
            let last = last.into_inner().unwrap();
            if last.n > 0 {
                pass_on(p, last);
            }
        }
        clock.stop();
        queue.lock().unwrap().1 = true;
        more.notify_one();
    });
}

/// The floor among the clients: so that it is measured in turn with them.
fn as_client() {
    let a = args();
    assert!(a.threads == 1 && a.compression == "none" && a.keys == 0);
    let data = Data::new(&a);
    let send = |first, n, _rate| {
        two_threads(&a.bootstrap, a.batch_size, n, |i| data.value(first + i));
        on_acks(n, 0);
    };
    drive("floor", "", &a, send, || ());
}

fn main() {
    let a: Vec<String> = std::env::args().collect();
    if a.iter().any(|flag| flag == "--num-records") {
        return as_client();
    }
    let flag = |k: &str| a.iter().position(|x| x == k).map(|i| a[i + 1].clone());
    let size: usize = flag("--size").map_or(100, |s| s.parse().unwrap());
    let data = pool("json");
    let values: Vec<&[u8]> = data.chunks_exact(size).collect();
    let n = (200_000_000 / size.max(100)).min(2_000_000);
    println!(
        "\n{size}-byte values\n\n| work | wall ns/record | CPU ns/record | M records/s |\n|---|--:|--:|--:|"
    );

    let mut dst = vec![0u8; 16384];
    best("copy the value", n, || {
        let mut at = 0;
        for i in 0..n {
            if at + size > dst.len() {
                at = 0;
                black_box(&mut dst);
            }
            dst[at..at + size].copy_from_slice(values[i % values.len()]);
            at += size;
        }
    });
    let fill = |cap: usize, crc: bool, lock: bool, clock: bool| {
        let mut bs: Vec<Mutex<Batch>> = (0..PARTITIONS)
            .map(|_| Mutex::new(Batch::new(cap)))
            .collect();
        let budget = AtomicUsize::new(usize::MAX / 2);
        let mut p = 0;
        for i in 0..n {
            let v = values[i % values.len()];
            let ts = if clock {
                (now() / 1_000_000) as i64 & 63
            } else {
                (i & 63) as i64
            };
            loop {
                let ok = if lock {
                    budget.fetch_sub(v.len(), AcqRel);
                    bs[p].lock().unwrap().append(ts, v)
                } else {
                    bs[p].get_mut().unwrap().append(ts, v)
                };
                if ok {
                    break;
                }
                let b = bs[p].get_mut().unwrap();
                b.seal(crc);
                black_box(&b.b);
                b.reset();
                p = (p + 1) % PARTITIONS;
            }
        }
    };
    best("encode, 16 KiB batches", n, || {
        fill(16384, false, false, false)
    });
    best("encode + crc32c, 16 KiB", n, || {
        fill(16384, true, false, false)
    });
    best("encode + crc32c, 1 MiB", n, || {
        fill(1 << 20, true, false, false)
    });
    best("encode + crc32c + mutex + atomic budget, 16 KiB", n, || {
        fill(16384, true, true, false)
    });
    best("the same + one clock read per record", n, || {
        fill(16384, true, true, true)
    });

    let Some(addr) = flag("--bootstrap") else {
        return;
    };
    let n = n * 2;
    for cap in [16384, 1 << 20] {
        let kib = cap >> 10;
        median(
            &format!(
                "one thread: encode + crc + write {PARTITIONS} x {kib} KiB requests, 5 in flight"
            ),
            n,
            || {
                let mut w = Wire::connect(&addr);
                let mut bs: Vec<Batch> = (0..PARTITIONS).map(|_| Batch::new(cap)).collect();
                let mut p = 0;
                let mut i = 0;
                while i < n {
                    if bs[p].append((i & 63) as i64, values[i % values.len()]) {
                        i += 1;
                        continue;
                    }
                    bs[p].seal(true);
                    p += 1;
                    if p == PARTITIONS {
                        p = 0;
                        if w.in_flight == 5 {
                            w.reply();
                        }
                        w.send(bs.iter().enumerate().map(|(q, b)| (q as i32, &b.b[..b.at])));
                        bs.iter_mut().for_each(Batch::reset);
                    }
                }
                while w.in_flight > 0 {
                    w.reply();
                }
            },
        );
        median(
            &format!(
                "two threads: caller encodes (mutex, budget), the other seals + writes, {kib} KiB"
            ),
            n,
            || two_threads(&addr, cap, n as u64, |i| values[i as usize % values.len()]),
        );
    }
}
