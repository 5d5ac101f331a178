-- Received codes: sealed blocks, one row per code, and what was handed on.
create table marking.code_blocks (
    block_id text primary key,
    suz_order_id uuid not null references marking.suz_orders,
    gtin char(14) not null,
    quantity int not null,
    body_enc bytea not null,
    sha256 bytea not null,
    source text not null check (source in ('codes', 'retry')),
    received_at timestamptz not null default now()
);
create index code_blocks_buffer on marking.code_blocks (suz_order_id, gtin);

create table marking.codes (
    id bigint generated always as identity primary key,
    ki text not null unique,
    gtin char(14) not null,
    order_id uuid not null references marking.orders,
    block_id text not null references marking.code_blocks,
    pos int not null,
    status text not null default 'STORED' check (status in
        ('STORED', 'APPLIED', 'INTRODUCED', 'RETIRED', 'WRITTEN_OFF')),
    status_at timestamptz not null default now(),
    malformed boolean not null default false,
    reserved_by uuid,
    print_count int not null default 0,
    spoiled boolean not null default false,
    unique (block_id, pos)
);
create index codes_order on marking.codes (order_id, gtin, status);

create table marking.issues (
    id uuid primary key,
    order_id uuid not null references marking.orders,
    gtin char(14) not null,
    kind text not null check (kind in ('csv', 'txt', 'pdf')),
    ranges jsonb not null,
    count int not null,
    reissue_of uuid references marking.issues,
    reason text,
    label jsonb,
    codes_sha256 text not null,
    state text not null,
    file_enc bytea,
    file_sha256 text,
    file_until timestamptz,
    created_by text not null,
    created_at timestamptz not null default now()
);
create index issues_order on marking.issues (order_id);
