-- Organisations, people, tokens and what waits for a signature.
create schema if not exists marking;

create table marking.participants (
    id uuid primary key,
    inn text not null unique check (inn ~ '^(\d{10}|\d{12})$'),
    name text not null,
    product_group text not null default 'lp',
    oms_id uuid not null,
    oms_connection uuid not null unique,
    nk_apikey_enc bytea,
    signer_kind text not null check (signer_kind in ('browser', 'command', 'http', 'demo')),
    signer_config jsonb not null default '{}',
    contact_person text,
    active boolean not null default true
);

create table marking.users (
    id uuid primary key,
    login text not null unique,
    password_hash text not null,
    email text,
    is_admin boolean not null default false,
    active boolean not null default true
);

create table marking.api_keys (
    id uuid primary key,
    user_id uuid not null references marking.users,
    name text not null,
    key_sha256 bytea not null unique,
    active boolean not null default true,
    last_used_at timestamptz
);

create table marking.sessions (
    id_sha256 bytea primary key,
    user_id uuid not null references marking.users,
    csrf text not null,
    expires_at timestamptz not null
);

create table marking.participant_members (
    participant_id uuid not null references marking.participants,
    user_id uuid not null references marking.users,
    role text not null check (role in ('viewer', 'operator', 'signer', 'admin')),
    primary key (participant_id, user_id)
);

create table marking.participant_signers (
    participant_id uuid not null references marking.participants,
    inn text not null check (inn ~ '^(\d{10}|\d{12})$'),
    name text not null,
    poa_number text not null,
    poa_until timestamptz not null,
    primary key (participant_id, inn)
);

create table marking.tokens (
    participant_id uuid not null references marking.participants,
    kind text not null check (kind in ('true_api', 'suz')),
    seq bigint not null default 0,
    token_enc bytea,
    issued_at timestamptz,
    expires_at timestamptz,
    expires_source text,
    state text not null default 'NONE' check (state in ('NONE', 'LIVE', 'REFUSED', 'EXPIRED')),
    renewing_by text,
    renewing_until timestamptz,
    thumbprint text,
    refused_early_at timestamptz,
    renewal_stopped boolean not null default false,
    warned_minutes int,
    primary key (participant_id, kind)
);

create table marking.sign_requests (
    id uuid primary key,
    participant_id uuid not null references marking.participants,
    purpose text not null check (purpose in
        ('auth_true_api', 'auth_suz', 'document', 'suz_order', 'suz_close', 'suz_report')),
    order_id uuid,
    subject_id text,
    context jsonb not null default '{}',
    payload_enc bytea,
    payload_sha256 bytea not null,
    detached boolean not null,
    state text not null check (state in ('PENDING', 'SIGNED', 'USED', 'EXPIRED', 'CANCELLED')),
    signature bytea,
    signer_subject text,
    thumbprint text,
    signed_by text,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    reminded int not null default 0
);
create index sign_requests_pending on marking.sign_requests (participant_id)
    where state = 'PENDING';
create index sign_requests_subject on marking.sign_requests (subject_id, purpose);

create table marking.nk_cards (
    participant_id uuid not null references marking.participants,
    gtin char(14) not null,
    card jsonb not null,
    flags jsonb,
    mark_check_code int,
    tnved text,
    fetched_at timestamptz not null,
    primary key (participant_id, gtin)
);

create table marking.upstream_limits (
    participant_id uuid not null references marking.participants,
    upstream text not null check (upstream in ('nk', 'true_api', 'suz')),
    next_free_at timestamptz not null,
    blocked_until timestamptz,
    window_start timestamptz,
    window_calls int not null default 0,
    remote_date timestamptz,
    remote_seen_at timestamptz,
    primary key (participant_id, upstream)
);

-- The present moment by the clock of the foreign side, as far as its answers have told it.
create function marking.remote_now(participant uuid) returns timestamptz
language sql volatile as $$
    select coalesce(
        (select remote_date + (clock_timestamp() - remote_seen_at)
         from marking.upstream_limits
         where participant_id = participant and remote_seen_at is not null
         order by remote_seen_at desc limit 1),
        clock_timestamp())
$$;

create table marking.idempotency_keys (
    caller text not null,
    key text not null,
    fingerprint bytea not null,
    locked_until timestamptz not null,
    status int,
    response jsonb,
    created_at timestamptz not null default now(),
    primary key (caller, key)
);
create index idempotency_keys_age on marking.idempotency_keys (created_at);
