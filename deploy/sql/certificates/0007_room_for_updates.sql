-- A certificate is written twice when it is issued and often later: room in its page for the new
-- version spares all indexes.
ALTER TABLE mart.certificate SET (fillfactor = 50);
