-- Whoever makes a free order due tells the sweeper, which would else look only every few seconds.
create function marking.tell_due() returns trigger language plpgsql as $$
begin
    perform pg_notify('marking_due', '');
    return null;
end
$$;
create trigger orders_due_told after insert or update of due_at on marking.orders
    for each row
    when (new.due_at <= clock_timestamp()
          and (new.lease_until is null or new.lease_until < clock_timestamp()))
    execute function marking.tell_due();
