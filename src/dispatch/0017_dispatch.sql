-- The worker ends sessions that nobody ends. Whoever changes a cart's session also changes the
-- version of its streams, so that ingest sees it and reads the cart again.
GRANT UPDATE (version) ON cart_stream TO endcap_worker;
