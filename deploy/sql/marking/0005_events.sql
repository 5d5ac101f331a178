-- What happened: the feed of events, notifications and the audit log that nothing rewrites.
create table marking.outbox (
    id uuid primary key,
    topic text not null,
    key text not null,
    value jsonb not null,
    headers jsonb not null default '{}',
    created_at timestamptz not null default now(),
    feed_seq bigint unique,
    published_at timestamptz
);
create index outbox_waiting on marking.outbox (created_at) where published_at is null;
create index outbox_age on marking.outbox (published_at) where published_at is not null;

create table marking.feed (
    one boolean primary key default true check (one),
    last_seq bigint not null
);
insert into marking.feed (last_seq) values (0);

create table marking.notifications (
    id uuid primary key,
    user_id uuid not null references marking.users,
    kind text not null,
    order_id uuid references marking.orders,
    text text not null,
    created_at timestamptz not null default now(),
    read_at timestamptz,
    mailed_at timestamptz
);
create index notifications_user on marking.notifications (user_id, created_at desc);
create index notifications_unmailed on marking.notifications (created_at) where mailed_at is null;

create table marking.meta (
    name text primary key,
    value text not null
);

create table marking.audit_log (
    id bigint generated always as identity,
    at timestamptz not null default now(),
    actor text not null,
    participant_id uuid,
    order_id uuid,
    subject text,
    action text not null,
    from_status text,
    to_status text,
    call_id uuid,
    details jsonb not null default '{}',
    primary key (id, at)
) partition by range (at);
create table marking.audit_log_rest partition of marking.audit_log default;
create index audit_log_order on marking.audit_log (order_id, id);
create index audit_log_participant on marking.audit_log (participant_id, id);

create function marking.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'audit_log is append-only: % refused', tg_op;
end
$$;
create trigger audit_log_append_only before update or delete on marking.audit_log
    for each row execute function marking.refuse_change();
create trigger audit_log_no_truncate before truncate on marking.audit_log
    for each statement execute function marking.refuse_change();

-- One partition per month; called by the nightly job and safe to repeat.
create function marking.make_audit_partition(month date) returns boolean language plpgsql as $$
declare
    name text := 'audit_log_' || to_char(month, 'YYYYMM');
    first date := date_trunc('month', month)::date;
begin
    if to_regclass('marking.' || name) is not null then
        return false;
    end if;
    if exists (select 1 from marking.audit_log_rest
               where at >= first and at < first + interval '1 month') then
        return false;
    end if;
    execute format(
        'create table marking.%I partition of marking.audit_log for values from (%L) to (%L)',
        name, first, (first + interval '1 month')::date);
    return true;
end
$$;

create function marking.tell_console() returns trigger language plpgsql as $$
begin
    perform pg_notify('marking_orders', new.id::text);
    return null;
end
$$;
create trigger orders_told after insert or update of status, hold, version on marking.orders
    for each row execute function marking.tell_console();
