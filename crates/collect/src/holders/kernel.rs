//! What the BPF iterators tell, read once and kept.

use facts::Pid;

use crate::bpf::{BpfError, Iterators, SocketFile, Task};

/// The iterators and what they told.
#[derive(Debug)]
pub(super) struct Kernel {
    iterators: Iterators,
    tasks: Option<Vec<Task>>,
    files: Option<Vec<SocketFile>>,
}

impl Kernel {
    /// Loads the programs.
    pub(super) fn load() -> Result<Self, BpfError> {
        Ok(Self { iterators: Iterators::load()?, tasks: None, files: None })
    }

    /// All processes, sorted by pid.
    pub(super) fn tasks(&mut self) -> Result<&[Task], BpfError> {
        if self.tasks.is_none() {
            let mut tasks = Vec::new();
            self.iterators.tasks(|task| tasks.push(task))?;
            tasks.sort_unstable_by_key(|task| task.pid);
            self.tasks = Some(tasks);
        }
        Ok(self.tasks.as_deref().unwrap_or_default())
    }

    /// Whether the processes were read.
    pub(super) fn has_tasks(&self) -> bool {
        self.tasks.is_some()
    }

    /// A process by its pid, if they were read and it was there.
    pub(super) fn task(&self, pid: Pid) -> Option<&Task> {
        let tasks = self.tasks.as_deref()?;
        let at = tasks.binary_search_by_key(&pid, |task| task.pid).ok()?;
        tasks.get(at)
    }

    /// All descriptors of sockets.
    pub(super) fn files(&mut self, connected: bool) -> Result<&[SocketFile], BpfError> {
        if self.files.is_none() {
            self.files = Some(self.iterators.files(connected)?);
        }
        Ok(self.files.as_deref().unwrap_or_default())
    }
    /// The same, for whoever asks last: it is not kept any longer.
    pub(super) fn take_files(&mut self, connected: bool) -> Result<Vec<SocketFile>, BpfError> {
        self.files(connected)?;
        Ok(self.files.take().unwrap_or_default())
    }
}
