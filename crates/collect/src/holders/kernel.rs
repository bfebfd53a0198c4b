//! What the BPF iterators tell, read once and kept.

use facts::Pid;

use crate::bpf::{BpfError, Connections, Iterators, SocketFile, Task};

/// The iterators and what they told.
#[derive(Debug)]
pub(super) struct Kernel {
    iterators: Iterators,
    tasks: Option<Vec<Task>>,
    files: Option<Vec<SocketFile>>,
}

impl Kernel {
    /// Loads the programs; with `connected` unset, they pass over connected streams.
    pub(super) fn load(connected: bool) -> Result<Self, BpfError> {
        let iterators = Iterators::load(connected)?;
        Ok(Self { iterators, tasks: None, files: None })
    }

    /// Reads everything.
    fn read(&mut self) -> Result<(), BpfError> {
        let mut told = self.iterators.read()?;
        told.tasks.sort_unstable_by_key(|task| task.pid);
        (self.tasks, self.files) = (Some(told.tasks), Some(told.files));
        Ok(())
    }

    /// All processes, sorted by pid.
    pub(super) fn tasks(&mut self) -> Result<&[Task], BpfError> {
        if self.tasks.is_none() {
            self.read()?;
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

    /// What lists the TCP connections of a namespace, where this kernel can.
    pub(super) fn connections(&self) -> Option<Connections> {
        self.iterators.connections()
    }

    /// All descriptors of sockets.
    pub(super) fn files(&mut self) -> Result<&[SocketFile], BpfError> {
        if self.files.is_none() {
            self.read()?;
        }
        Ok(self.files.as_deref().unwrap_or_default())
    }

    /// The same, for whoever asks last: they are not kept any longer.
    pub(super) fn take_files(&mut self) -> Result<Vec<SocketFile>, BpfError> {
        self.files()?;
        Ok(self.files.take().unwrap_or_default())
    }
}
