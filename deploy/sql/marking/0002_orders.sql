-- Orders, their documents and their lives at the order management station.
create table marking.orders (
    id uuid primary key,
    participant_id uuid not null references marking.participants,
    external_id text,
    part int not null default 1,
    batch_id uuid,
    origin text not null check (origin in ('console', 'api', 'adopted')),
    profile text not null check (profile in ('document_first', 'order_first')),
    status text not null,
    status_at timestamptz not null default now(),
    hold text check (hold in
        ('sign_in', 'signature', 'upstream', 'suz_limit', 'unknown_outcome', 'attention')),
    hold_detail jsonb,
    attributes jsonb not null default '{}',
    postprocess jsonb not null default '{}',
    created_by text not null,
    created_at timestamptz not null default now(),
    due_at timestamptz,
    failures int not null default 0,
    waited_s int not null default 0,
    waited_from timestamptz,
    escalated_at timestamptz,
    lease_owner text,
    lease_until timestamptz,
    lease_seq bigint not null default 0,
    wake_seq bigint not null default 0,
    version bigint not null default 1,
    unique (participant_id, external_id, part)
);
create index orders_due on marking.orders (due_at) where due_at is not null;
create index orders_listing on marking.orders (participant_id, status, created_at);
create index orders_batch on marking.orders (batch_id) where batch_id is not null;

create table marking.order_lines (
    order_id uuid not null references marking.orders,
    gtin char(14) not null,
    position int not null,
    quantity int not null check (quantity between 1 and 2000000),
    serial_number_type text not null check (serial_number_type in ('OPERATOR', 'SELF_MADE')),
    serial_numbers jsonb,
    template_id int not null default 10,
    cis_type text not null default 'UNIT',
    card jsonb not null,
    tnved text,
    primary key (order_id, gtin)
);
create index order_lines_gtin on marking.order_lines (gtin);

create table marking.serials (
    participant_id uuid not null references marking.participants,
    gtin char(14) not null,
    serial text not null,
    order_id uuid not null references marking.orders,
    primary key (participant_id, gtin, serial)
);
create index serials_order on marking.serials (order_id);

create table marking.documents (
    id uuid primary key,
    order_id uuid not null references marking.orders,
    purpose text not null check (purpose in ('preorder', 'introduce', 'withdraw', 'write_off')),
    part int not null,
    attempt int not null,
    type text not null,
    body bytea not null,
    body_sha256 bytea not null,
    signature bytea,
    number uuid unique,
    status text not null check (status in ('DRAFT', 'SIGNING', 'SENDING', 'UNKNOWN', 'CHECKING',
        'ACCEPTED', 'REJECTED', 'TECH_ERROR', 'CANCELLED')),
    remote_status text,
    errors jsonb,
    created_at timestamptz not null default now(),
    sent_at timestamptz,
    final_at timestamptz,
    unique (order_id, purpose, part, attempt)
);
create index documents_open on marking.documents (order_id) where status = 'CHECKING';

create table marking.document_codes (
    document_id uuid not null references marking.documents,
    ki text not null,
    purpose text not null,
    live boolean not null,
    primary key (document_id, ki)
);
create unique index document_codes_live on marking.document_codes (ki, purpose) where live;

create table marking.suz_orders (
    id uuid primary key,
    order_id uuid not null references marking.orders,
    attempt int not null,
    production_order_id text not null unique,
    body bytea not null,
    body_sha256 bytea not null,
    signature bytea,
    close_body bytea,
    close_signature bytea,
    suz_order_id uuid unique,
    remote_status text,
    status_since timestamptz,
    seen_at timestamptz,
    decline_reason text,
    ready_after timestamptz,
    created_remote_at timestamptz,
    collected_at timestamptz,
    closed_at timestamptz,
    closed_by text check (closed_by in ('API', 'EXHAUSTED', 'EXPIRED', 'OTHER')),
    current boolean not null default true,
    unique (order_id, attempt)
);

create table marking.suz_orphans (
    suz_order_id uuid primary key,
    participant_id uuid not null references marking.participants,
    kind text not null check (kind in ('double', 'foreign', 'given_up')),
    order_id uuid references marking.orders,
    remote_status text,
    production_order_id text,
    buffers jsonb not null default '[]',
    created_remote_at timestamptz,
    seen_at timestamptz not null default now(),
    resolved_by text,
    resolved_at timestamptz
);
create index suz_orphans_open on marking.suz_orphans (participant_id) where resolved_by is null;

create table marking.buffers (
    suz_order_id uuid not null references marking.suz_orders,
    gtin char(14) not null,
    status text not null check (status in ('WAITING', 'FETCHING', 'COMPLETE', 'INCOMPLETE',
        'SURPLUS', 'REJECTED', 'EXPIRED')),
    remote_status text,
    ordered int not null,
    total int,
    available int,
    left_in_buffer int,
    passed int,
    unavailable int,
    expires_at timestamptz,
    warned_days int,
    rejection_reason text,
    waived int,
    waived_by text,
    lost int not null default 0,
    seen_at timestamptz,
    counted_at timestamptz,
    primary key (suz_order_id, gtin)
);

create table marking.suz_reports (
    id uuid primary key,
    order_id uuid not null references marking.orders,
    kind text not null check (kind in ('utilisation', 'dropout')),
    part int not null,
    body_enc bytea not null,
    body_sha256 bytea not null,
    signature bytea,
    report_id uuid unique,
    status text not null,
    remote_status text,
    error text,
    created_at timestamptz not null default now(),
    final_at timestamptz,
    unique (order_id, kind, part)
);
