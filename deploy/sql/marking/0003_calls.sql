-- Intents of calls that change something outside, and what is asked again and again.
create table marking.calls (
    id uuid primary key,
    participant_id uuid not null references marking.participants,
    order_id uuid references marking.orders,
    subject_id text not null,
    operation text not null,
    retry_class text not null check (retry_class in ('reconcile', 'never')),
    state text not null check (state in
        ('PLANNED', 'CLAIMED', 'ANSWERED', 'REFUSED', 'UNKNOWN', 'FOUND', 'ABSENT')),
    attempt int not null default 1,
    quantity int,
    body_sha256 bytea,
    worker text,
    lease_seq bigint,
    planned_at timestamptz not null default now(),
    not_before timestamptz,
    claimed_at timestamptz,
    answered_at timestamptz,
    http_status int,
    answer_enc bytea,
    error text,
    doubted boolean not null default false,
    reconcile_step int not null default 0,
    looked_at timestamptz,
    look_now boolean not null default false,
    remote_request_id text,
    remote_id uuid,
    remote_date timestamptz
);
create unique index calls_one_open on marking.calls (operation, subject_id)
    where state in ('PLANNED', 'CLAIMED', 'UNKNOWN');
create index calls_order on marking.calls (order_id, operation);
create index calls_open on marking.calls (participant_id, operation)
    where state in ('PLANNED', 'CLAIMED', 'UNKNOWN');
create index calls_remote on marking.calls (remote_id) where remote_id is not null;

create table marking.polls (
    id uuid primary key,
    kind text not null check (kind in ('documents', 'suz_list', 'suz_status', 'report')),
    participant_id uuid not null references marking.participants,
    subject_id text not null,
    due_at timestamptz not null,
    interval_s double precision not null,
    passes bigint not null default 0,
    changed_pass bigint not null default 0,
    last_ok_at timestamptz,
    created_at timestamptz not null default now(),
    unique (kind, subject_id)
);
create index polls_due on marking.polls (due_at);
