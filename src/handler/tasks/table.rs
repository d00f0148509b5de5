//! Whose tasks there are, how many there may be, and when they are forgotten.
//!
//! Looked up by owner first and id second, so that a stranger's task is not found in the same way as
//! one that never was. Tasks that run are bounded by refusing one more. Ended ones are bounded by
//! forgetting: the oldest of a caller that has too many, and of the one that has most when there are
//! too many in all, so that nobody can push out what others have not fetched yet.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    Config,
    task::{Ended, Made, Task},
};
use crate::{
    auth::Owner,
    protocol::{RpcError, codes},
    telemetry::{Limit, Metrics},
    time::Clock,
};

/// Every task of this server, and the threads they run on. Cheap to clone.
#[derive(Clone)]
pub(in crate::handler) struct Tasks(Arc<Inner>);

struct Inner {
    config: Config,
    clock: Clock,
    metrics: Metrics,
    table: Mutex<Table>,
    threads: Mutex<Option<Runtime>>,
}

#[derive(Default)]
struct Table {
    owners: HashMap<Owner, OfOwner>,
    running: Arc<AtomicUsize>,
    stopped: bool,
}

#[derive(Default)]
struct OfOwner {
    tasks: HashMap<Box<str>, Arc<Task>>,
    running: Arc<AtomicUsize>,
}

/// A task whose function runs. Held beside the function until that is gone, which may be later than
/// the task's end; a task that is not ended by then is cancelled.
pub(in crate::handler) struct Running {
    task: Arc<Task>,
    places: [Arc<AtomicUsize>; 2],
    metrics: Metrics,
}

/// How often tasks are looked at whose time may be over.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Why tasks end when the server does.
const STOPPING: &str = "the server is stopping";

impl Tasks {
    /// No tasks yet, and no threads.
    pub(in crate::handler) fn new(config: Config, clock: Clock, metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            config,
            clock,
            metrics,
            table: Mutex::default(),
            threads: Mutex::default(),
        }))
    }

    pub(super) fn config(&self) -> &Config {
        &self.0.config
    }

    /// The threads that tasks run on, whoever asked for them; started with the first.
    ///
    /// # Errors
    /// The system gives no threads.
    pub(super) fn threads(&self) -> Result<Handle, RpcError> {
        let threads = self.0.threads.lock();
        let mut threads = threads.unwrap_or_else(PoisonError::into_inner);
        if let Some(threads) = &*threads {
            return Ok(threads.handle().clone());
        }
        let started = Builder::new_multi_thread()
            .worker_threads(self.0.config.threads.max(1))
            .thread_name("usher-tasks")
            .enable_all()
            .build();
        let started = started.map_err(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "no threads for tasks");
            RpcError::internal()
        })?;
        started.spawn(sweep(Arc::downgrade(&self.0)));
        let handle = started.handle().clone();
        *threads = Some(started);
        Ok(handle)
    }

    /// A new task of this caller's, about to run.
    ///
    /// # Errors
    /// Too many run already, or the server is being stopped.
    pub(in crate::handler) fn open(&self, owner: Owner, made: Made) -> Result<Running, RpcError> {
        let id = random_id()?;
        let Inner {
            config,
            clock,
            metrics,
            ..
        } = &*self.0;
        let refused = |text: String| Err(RpcError::new(codes::SERVER_ERROR, text));
        let mut table = self.lock();
        if table.stopped {
            return refused(STOPPING.to_owned());
        }
        if table.running.load(SeqCst) >= config.max {
            metrics.limit_hit(Limit::TasksPerNode);
            return refused("too many tasks run on this server; try again later".to_owned());
        }
        let of_owner = table.owners.entry(owner).or_default();
        if of_owner.running.load(SeqCst) >= config.per_principal_max {
            metrics.limit_hit(Limit::TasksPerPrincipal);
            let max = config.per_principal_max;
            return refused(format!("{max} tasks of yours run already"));
        }
        let (clock, metrics) = (clock.clone(), metrics.clone());
        let task = Task::new(id.clone(), made, *config, clock, metrics.clone());
        let task = Arc::new(task);
        of_owner.tasks.insert(id, Arc::clone(&task));
        let of_owner = Arc::clone(&of_owner.running);
        let places = [of_owner, Arc::clone(&table.running)];
        table.make_room(&owner, config, &metrics);
        drop(table);
        tracing::debug!(task.id = task.short(), caller = %owner.pseudonym(), "task begun");
        Ok(Running::new(task, places, metrics))
    }

    /// The caller's task of this name, if it is not forgotten yet.
    pub(in crate::handler) fn find(&self, owner: &Owner, id: &str) -> Option<Arc<Task>> {
        let table = self.lock();
        let task = table.owners.get(owner)?.tasks.get(id)?;
        (task.ends() > Instant::now()).then(|| Arc::clone(task))
    }

    /// All the caller's tasks.
    pub(super) fn of(&self, owner: &Owner) -> Vec<Arc<Task>> {
        let table = self.lock();
        let tasks = table.owners.get(owner).into_iter();
        let now = Instant::now();
        tasks
            .flat_map(|of_owner| of_owner.tasks.values())
            .filter(|task| task.ends() > now)
            .map(Arc::clone)
            .collect()
    }

    /// Cancels every task, and takes no more.
    pub(in crate::handler) fn stop(&self) {
        let mut table = self.lock();
        table.stopped = true;
        let tasks: Vec<_> = table.tasks().map(Arc::clone).collect();
        drop(table);
        for task in tasks {
            task.cancel(STOPPING);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn tasks(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.owners.values().flat_map(|one| one.tasks.values())
    }

    fn forget_before(&mut self, now: Instant) {
        self.owners.retain(|_, of_owner| {
            of_owner.tasks.retain(|_, task| task.ends() > now);
            // A function that does not let go still takes its place.
            !of_owner.tasks.is_empty() || of_owner.running.load(SeqCst) > 0
        });
    }

    /// Forgets ended tasks before their time, where there are too many.
    fn make_room(&mut self, owner: &Owner, config: &Config, metrics: &Metrics) {
        if let Some(of_owner) = self.owners.get_mut(owner)
            && of_owner.ended() >= config.kept_per_principal_max
        {
            metrics.limit_hit(Limit::TasksKeptPerPrincipal);
            of_owner.forget_oldest();
        }
        let all = self.owners.values().map(|one| one.tasks.len());
        if all.sum::<usize>() <= config.kept_max {
            return;
        }
        let ended = self.owners.values_mut().map(|one| (one.ended(), one));
        let ended: Vec<_> = ended.collect();
        if ended.iter().map(|(ended, _)| ended).sum::<usize>() < config.kept_max {
            return;
        }
        if let Some((_, most)) = ended.into_iter().max_by_key(|(ended, _)| *ended) {
            metrics.limit_hit(Limit::TasksKept);
            most.forget_oldest();
        }
    }
}

impl OfOwner {
    fn ended(&self) -> usize {
        self.tasks.values().filter(|task| task.has_ended()).count()
    }

    fn forget_oldest(&mut self) {
        let ended = self.tasks.values().filter(|task| task.has_ended());
        let oldest = ended.min_by_key(|task| task.begun());
        let oldest = oldest.map(|task| task.id().to_owned());
        if let Some(oldest) = oldest {
            self.tasks.remove(&*oldest);
        }
    }
}

impl Running {
    fn new(task: Arc<Task>, places: [Arc<AtomicUsize>; 2], metrics: Metrics) -> Self {
        for place in &places {
            place.fetch_add(1, SeqCst);
        }
        metrics.task_runs();
        Self {
            task,
            places,
            metrics,
        }
    }

    pub(in crate::handler) fn task(&self) -> &Arc<Task> {
        &self.task
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.end(Ended::Cancelled("it was given up"));
        for place in &self.places {
            place.fetch_sub(1, SeqCst);
        }
        self.metrics.task_runs_no_more();
    }
}

/// Forgets tasks whose time is over, for as long as there is anything to forget them from.
async fn sweep(tasks: Weak<Inner>) {
    let mut ticks = interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(inner) = tasks.upgrade() else { return };
        Tasks(inner).lock().forget_before(Instant::now());
    }
}

/// 128 random bits: a task is named by whoever knows it, and by nobody who guesses (2025-11-25, task
/// isolation).
fn random_id() -> Result<Box<str>, RpcError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_unspecified| {
        tracing::error!("no randomness to be had for a task id");
        RpcError::internal()
    })?;
    Ok(URL_SAFE_NO_PAD.encode(bytes).into())
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Whoever lets go last may be one of its own threads, where waiting for them is forbidden.
        let threads = self.threads.get_mut();
        if let Some(threads) = threads.unwrap_or_else(PoisonError::into_inner).take() {
            threads.shutdown_background();
        }
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tasks")
            .field("running", &self.lock().running)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Running").field(&self.task).finish()
    }
}
