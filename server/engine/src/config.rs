//! What an operator may set of the engine's behaviour.

/// The engine's settings.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Most runs of one pipeline at once where the pipeline does not say less; 0 = no limit.
    pub run_parallelism_limit: u32,
    /// Versions of a pipeline that are kept.
    pub pipeline_version_limit: u32,
    /// Later runs of a pipeline after which a run's logs are removed.
    pub task_run_log_expiry: u32,
    /// Time between SIGTERM and SIGKILL, in milliseconds.
    pub task_run_stop_timeout_ms: u64,
    /// Ceiling for every task's time limit, in milliseconds.
    pub task_timeout_ms_max: Option<u64>,
    /// Infrastructure failures that one task run may survive.
    pub infra_retries: u32,
    /// Wait after the first infrastructure failure, in milliseconds.
    pub infra_delay_ms: u64,
    /// Age at which history is removed, in milliseconds.
    pub event_log_retention_ms: u64,
    /// Most processes and threads in one container.
    pub pids_max: u32,
    /// The address under which containers reach the server, for `GOFER_HOST`.
    pub advertised_host: String,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            run_parallelism_limit: 200,
            pipeline_version_limit: 5,
            task_run_log_expiry: 20,
            task_run_stop_timeout_ms: 5 * 60 * 1000,
            task_timeout_ms_max: None,
            infra_retries: 3,
            infra_delay_ms: 1000,
            event_log_retention_ms: 4380 * 60 * 60 * 1000,
            pids_max: 4096,
            advertised_host: String::new(),
        }
    }
}
