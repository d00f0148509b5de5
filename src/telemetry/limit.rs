//! Every bound that can be reached, by the setting that moves it.
//!
//! Rooms name one when they count a hit in [`Metrics`](super::Metrics).

/// A bound that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the setting of the same name")]
pub enum Limit {
    BodyMax,
    BodyDeadline,
    BatchMax,
    RefusalLines,
    SessionsPerPrincipal,
    CallsPerPrincipal,
    RecentCallers,
    SessionsPerNode,
    SessionMailbox,
    CallsPerSession,
    CutOffs,
    NoticesSeen,
    StreamQueue,
    CallDeadline,
    InputDeadline,
    RatePerPrincipal,
    RatePerRule,
    RatesKept,
    TasksPerNode,
    TasksPerPrincipal,
    TasksKept,
    TasksKeptPerPrincipal,
    TaskResult,
    TaskQuestions,
    RegistrationsPerAddress,
    RegistrationsPerHour,
    RegisteredClients,
    ClientsPerDeveloper,
    PortalSignOuts,
}

impl Limit {
    /// The setting's key.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::BodyMax => "transport.body_max",
            Self::BodyDeadline => "transport.body_deadline",
            Self::BatchMax => "transport.batch_max",
            Self::RefusalLines => "log.refusals_per_second",
            Self::SessionsPerPrincipal => "session.per_principal_max",
            Self::RecentCallers => "call.recent_max",
            Self::CallsPerPrincipal => "call.per_principal_max",
            Self::SessionsPerNode => "session.max",
            Self::SessionMailbox => "session.mailbox_max",
            Self::CallsPerSession => "session.calls_max",
            Self::NoticesSeen => "notice.seen_max",
            Self::CutOffs => "cut_off.max",
            Self::StreamQueue => "stream.bytes_max",
            Self::CallDeadline => "handler.call_deadline",
            Self::InputDeadline => "handler.input_deadline",
            Self::RatePerPrincipal => "policy.rate",
            Self::RatePerRule => "policy.rules.rate",
            Self::RatesKept => "policy.rates_max",
            Self::TasksPerNode => "task.max",
            Self::TasksPerPrincipal => "task.per_principal_max",
            Self::TasksKept => "task.kept_max",
            Self::TasksKeptPerPrincipal => "task.kept_per_principal_max",
            Self::TaskResult => "task.result_max",
            Self::TaskQuestions => "task.questions_max",
            Self::RegistrationsPerAddress => "registration.per_address_per_minute",
            Self::RegistrationsPerHour => "registration.per_hour",
            Self::RegisteredClients => "registration.clients_max",
            Self::ClientsPerDeveloper => "registration.per_developer_max",
            Self::PortalSignOuts => "portal.sign_outs_max",
        }
    }
}
