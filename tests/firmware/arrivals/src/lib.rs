//! How a program is made that trains by one method until it has arrived, and counts what its steps take. Its flash
//! counts: so it formats nothing, prints hexadecimal words, and its panics say nothing.
//!
//! Its words are a task, a seed, the bits of a rate, a batch and the batch that it grows to, 1 for a rate that falls, the accuracy at which it ends, and the ticks
//! after which it ends anyway.
#![no_std]

use accuracy::{
    Arrival, Batches, Memory, PLANS, Point, Rated, Schedule, Setting, TASKS, TILE, Task,
};
use board::Clock;
use board::words::print;
use natgrad::{Error, Room, Trainer};
use semihosting::experimental::env;

#[doc(hidden)]
pub use accuracy;
#[doc(hidden)]
pub use board;
#[doc(hidden)]
pub use natgrad;
#[doc(hidden)]
pub use static_cell;

/// The most examples of a batch.
pub const BATCH: usize = 256;

/// The most training examples.
pub const EXAMPLES: usize = 1000;

/// The most of anything over the tasks.
const fn most(of: Most) -> usize {
    let (mut most, mut index) = (0, 0);
    while index < PLANS.len() {
        let model = PLANS[index].model();
        let here = match of {
            Most::Params => model.params(),
            Most::Inputs => model.dim_in(),
            Most::Outputs => model.dim_out(),
        };
        if here > most {
            most = here;
        }
        index += 1;
    }
    most
}

enum Most {
    Params,
    Inputs,
    Outputs,
}

/// The parameters of the largest network.
pub const PARAMS: usize = most(Most::Params);
/// The inputs of the largest batch.
pub const INPUTS: usize = BATCH * most(Most::Inputs);
/// The targets of the largest batch.
pub const TARGETS: usize = BATCH * most(Most::Outputs);

/// What a program is told.
struct Words {
    task: &'static Task,
    seed: u64,
    rate: f32,
    setting: Setting,
    last: usize,
    ticks: u64,
}

fn words() -> Option<Words> {
    let args = env::args::<256>().ok()?;
    let mut numbers = (&args).skip(1).map(|word| word.ok()?.parse::<u32>().ok());
    let mut number = || numbers.next()?;
    let task = TASKS.get(number()? as usize)?;
    let seed = number()?.into();
    let rate = f32::from_bits(number()?);
    let (batch, grown) = (number()? as u16, number()? as u16);
    let setting = Setting {
        batches: if grown > 0 {
            Batches::GrowingTo(grown)
        } else {
            Batches::Of(batch)
        },
        schedule: if number()? > 0 {
            Schedule::Inverse
        } else {
            Schedule::Constant
        },
    };
    Some(Words {
        task,
        seed,
        rate,
        setting,
        last: number()? as usize,
        ticks: number()?.into(),
    })
}

/// Trains as it is told. Prints the bytes of RAM and of stack as the library states them, where the run arrives, and where it
/// ends.
///
/// # Errors
/// Those of a run.
pub fn train<M: Rated>(method: fn(f32) -> M, memory: Memory<'_>) -> Result<(), Error> {
    let Some(words) = words() else {
        return Err(Error::Setting("words are missing"));
    };
    let task = words.task;
    let bytes = Trainer::<f32, M, TILE>::bytes(&task.model, Room::NONE);
    print(&[9, bytes as u32, Trainer::<f32, M, TILE>::stack() as u32]);
    let mut clock = Clock::start();
    let mut count = |step: &mut dyn FnMut()| {
        let before = clock.look();
        step();
        clock.look() - before
    };
    let mut arrival = Arrival::default();
    let mut end = Point::default();
    let mut seen = |point: &Point| {
        let before = arrival;
        arrival.note(task, point);
        for (index, (now, before)) in arrival.0.iter().zip(before.0).enumerate() {
            if now.is_some() && before.is_none() {
                print_point(index as u32, point);
            }
        }
        end = *point;
        arrival.0[words.last].is_none() && point.ticks < words.ticks
    };
    let method = method(words.rate);
    accuracy::run::<M, TILE>(
        task,
        words.seed,
        method,
        words.setting,
        memory,
        &mut count,
        &mut seen,
    )?;
    print_point(8, &end);
    Ok(())
}

fn print_point(what: u32, point: &Point) {
    let high = |x: u64| (x >> 32) as u32;
    print(&[
        what,
        point.steps,
        high(point.macs),
        point.macs as u32,
        point.loss.to_bits(),
        high(point.ticks),
        point.ticks as u32,
    ]);
}

/// A program that trains by a method, made from a rate, on tasks with few outputs, with many, or with any.
#[macro_export]
macro_rules! program {
    ($method:ty = $make:expr, few: $few:literal, many: $many:literal) => {
        use $crate::accuracy::{Memory, TILE, workspace_len};
        use $crate::static_cell::ConstStaticCell;
        use $crate::{BATCH, EXAMPLES, INPUTS, PARAMS, TARGETS};

        const LEN: usize = {
            let few = if $few {
                workspace_len::<$method, TILE>(true)
            } else {
                0
            };
            let many = if $many {
                workspace_len::<$method, TILE>(false)
            } else {
                0
            };
            if few > many { few } else { many }
        };

        static PARAMS_CELL: ConstStaticCell<[f32; PARAMS]> = ConstStaticCell::new([0.0; PARAMS]);
        static WORKSPACE: ConstStaticCell<[f32; LEN]> = ConstStaticCell::new([0.0; LEN]);
        static INPUTS_CELL: ConstStaticCell<[f32; INPUTS]> = ConstStaticCell::new([0.0; INPUTS]);
        static TARGETS_CELL: ConstStaticCell<[f32; TARGETS]> = ConstStaticCell::new([0.0; TARGETS]);
        static CLASSES: ConstStaticCell<[u16; BATCH]> = ConstStaticCell::new([0; BATCH]);
        static ORDER: ConstStaticCell<[u16; EXAMPLES]> = ConstStaticCell::new([0; EXAMPLES]);

        #[$crate::board::entry]
        fn main() -> ! {
            let memory = Memory {
                params: PARAMS_CELL.take(),
                workspace: WORKSPACE.take(),
                inputs: INPUTS_CELL.take(),
                targets: TARGETS_CELL.take(),
                classes: CLASSES.take(),
                order: ORDER.take(),
            };
            let ended = $crate::train::<$method>($make, memory);
            $crate::board::process::exit(if ended.is_ok() { 0 } else { 2 })
        }

        $crate::board::silent_panics!();
    };
}
