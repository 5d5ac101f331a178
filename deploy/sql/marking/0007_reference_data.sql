-- What is read beside orders: the code printers of a station, and when money was last missed.
create table marking.reference_data (
    participant_id uuid primary key references marking.participants,
    providers jsonb not null default '[]',
    providers_at timestamptz,
    balance_told_at timestamptz
);
