//! Named stories, played in the same world that the seeds run in: what a seed once broke, and what
//! readers should see work.

mod brokers;
mod clusters;
mod connections;
mod limits;
mod sequences;
mod topics;

use crate::ErrorCode;
use crate::ids::NodeId;
use crate::sim::options::Options;
use crate::sim::record::RecordId;
use crate::sim::stage::Reader;
use crate::sim::world::World;
use crate::testing::Api;
use crate::testing::simulated::Blow;

const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);

/// A calm world that knows its topic.
fn world() -> World {
    with(Options::calm())
}

fn with(options: Options) -> World {
    let mut world = World::new(7, options, Reader::Later);
    world.learn_topic();
    world
}

/// Everything is over, and every promise was kept; partition 0 holds these.
fn finish(mut world: World, log: &[RecordId]) {
    world.run_until_idle();
    world.add_closer();
    world.run_until_idle();
    world.finish();
    assert_eq!(world.log(0), log);
}

fn refuse(code: ErrorCode) -> Blow {
    Blow::Refuse {
        partition: Some(0),
        code,
        applied: false,
    }
}
