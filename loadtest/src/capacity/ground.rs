//! Whether a figure per core may be said at all: node and harness on cores of their own, or on machines of their own.
//!
//! Flow: command line -> **here** -> `drive`, which cannot begin without a [`Ground`]. Pure. What shares cores with the harness
//! would be measured together with it: such a run may say CPU-seconds, and never a capacity.

use crate::live::affinity::CpuList;

/// Where node and harness are: the value is proof that they do not share a core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ground {
    /// On one machine, each kept to cores that the other is not.
    Apart {
        /// The node's.
        node: CpuList,
        /// The harness'.
        harness: CpuList,
    },
    /// The node is on another machine.
    Elsewhere {
        /// How many cores it has there, if that was said.
        node_cores: Option<u32>,
    },
}

/// Why there is no ground for a search.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoGround {
    /// Not kept apart, or not said how.
    #[error(
        "a search for capacity wants node and harness on cores of their own: pass --node-cpus CORES and --self-cpus CORES without a core in both{}",
        shared.map(|core| format!("; core {core} is")).unwrap_or_default()
    )]
    Shared {
        /// A core that both lists name.
        shared: Option<usize>,
    },
    /// A core that is not there carries nobody: it must not be counted.
    #[error("core {core} of --node-cpus is none of this machine's, which are {online}")]
    Missing {
        /// The first that is not there.
        core: usize,
        /// Those that are.
        online: CpuList,
    },
    /// The node is on this machine, and nobody knows which process it is.
    #[error(
        "the node is on this machine, but its process cannot be seen: pass --node-pid PID, as a user who may look at it"
    )]
    Unseen,
    /// Cores were counted that can be named.
    #[error("--node-cores is for a node on another machine: this one's are those of --node-cpus")]
    Counted,
}

/// What the command line and this machine say.
#[derive(Debug, Clone, Copy)]
pub struct Claims<'a> {
    /// The node's process was found.
    pub node_is_seen: bool,
    /// The target's address is one of this machine's.
    pub node_is_here: bool,
    /// `--node-cpus`.
    pub node_cpus: Option<&'a CpuList>,
    /// `--self-cpus`.
    pub self_cpus: Option<&'a CpuList>,
    /// `--node-cores`.
    pub node_cores: Option<u32>,
    /// The cores of this machine, where they are known.
    pub online: Option<&'a CpuList>,
}

impl Ground {
    /// The ground that there is.
    ///
    /// # Errors
    /// [`NoGround`] where node and harness may share a core.
    pub fn of(claims: Claims<'_>) -> Result<Self, NoGround> {
        let Claims { node_is_seen, node_is_here, node_cpus, self_cpus, node_cores, online } = claims;
        if !node_is_seen && !node_is_here {
            return Ok(Self::Elsewhere { node_cores });
        }
        if node_cores.is_some() {
            return Err(NoGround::Counted);
        }
        if !node_is_seen {
            return Err(NoGround::Unseen);
        }
        let (Some(node), Some(harness)) = (node_cpus, self_cpus) else {
            return Err(NoGround::Shared { shared: None });
        };
        if let Some(online) = online
            && let Some(core) = node.cores().iter().find(|core| !online.cores().contains(core))
        {
            return Err(NoGround::Missing { core: *core, online: online.clone() });
        }
        match node.cores().iter().find(|core| harness.cores().contains(core)) {
            Some(core) => Err(NoGround::Shared { shared: Some(*core) }),
            None => Ok(Self::Apart { node: node.clone(), harness: harness.clone() }),
        }
    }

    /// How many cores the node has, as far as that is known.
    pub fn node_cores(&self) -> Option<u32> {
        match self {
            Self::Apart { node, .. } => Some(node.cores().len() as u32),
            Self::Elsewhere { node_cores } => *node_cores,
        }
    }

    /// For a person: what a capacity is said of.
    pub fn said(&self) -> String {
        match self {
            Self::Apart { node, harness } => {
                format!("the node kept to the cores {node} of this machine, the harness to {harness}")
            }
            Self::Elsewhere { node_cores: Some(cores) } => {
                format!("the node on another machine, with {cores} cores")
            }
            Self::Elsewhere { node_cores: None } => "the node on another machine".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> CpuList {
        text.parse().expect("a list of cores")
    }

    const HERE: Claims<'_> = Claims {
        node_is_seen: true,
        node_is_here: true,
        node_cpus: None,
        self_cpus: None,
        node_cores: None,
        online: None,
    };

    #[test]
    fn on_one_machine_both_lists_are_needed_and_no_core_may_be_in_both() {
        let (node, own, both) = (list("0-2"), list("3"), list("2-3"));
        let apart = Claims { node_cpus: Some(&node), self_cpus: Some(&own), ..HERE };
        let ground = Ground::of(apart).expect("they are apart");
        assert_eq!((ground.node_cores(), ground.said().contains("cores 0-2")), (Some(3), true));
        for (claims, said) in [
            (HERE, "pass --node-cpus CORES and --self-cpus CORES"),
            (Claims { self_cpus: None, ..apart }, "pass --node-cpus CORES and --self-cpus CORES"),
            (Claims { node_cpus: None, ..apart }, "pass --node-cpus CORES and --self-cpus CORES"),
            (Claims { self_cpus: Some(&both), ..apart }, "core 2 is"),
            (
                Claims { online: Some(&both), ..apart },
                "core 0 of --node-cpus is none of this machine's, which are 2-3",
            ),
            (Claims { node_is_seen: false, ..apart }, "--node-pid"),
            (Claims { node_cores: Some(3), ..apart }, "--node-cores is for a node on another machine"),
            // A process of this machine that was named, whatever the target's address is.
            (Claims { node_is_here: false, ..HERE }, "pass --node-cpus CORES and --self-cpus CORES"),
        ] {
            let refused = Ground::of(claims).expect_err("they may share a core").to_string();
            assert!(refused.contains(said) && !refused.contains('\n'), "{refused}");
        }
    }

    #[test]
    fn a_node_on_another_machine_shares_no_core_and_its_cores_are_known_when_they_are_said() {
        let there = Claims { node_is_seen: false, node_is_here: false, ..HERE };
        assert_eq!(Ground::of(there).map(|ground| ground.node_cores()), Ok(None));
        let counted = Claims { node_cores: Some(8), ..there };
        assert_eq!(Ground::of(counted).map(|ground| ground.node_cores()), Ok(Some(8)));
    }
}
