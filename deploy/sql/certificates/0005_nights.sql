-- One row for each night whose work is done; the first night is the one after this day.
CREATE TABLE mart.night (
    day date PRIMARY KEY,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    days integer NOT NULL,
    months integer NOT NULL,
    certificates bigint NOT NULL,
    behind bigint NOT NULL,
    differences bigint NOT NULL
);
INSERT INTO mart.night (day, started_at, days, months, certificates, behind, differences)
VALUES (mart.local_day(now()), now(), 0, 0, 0, 0, 0);
