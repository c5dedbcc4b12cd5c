-- Receives what notify.sql sends.
listen baton_ready
