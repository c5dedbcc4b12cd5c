-- An execution is removed at a version, and what it has told others stays.
-- Reason: the parent of a removed child waited for ever, because the message of the child's end went
--   with the child. The version is a fence: nothing is removed that has gone on since it was looked at.
-- Locks: none, creating a function blocks nobody. The function without a version stays for the version
--   before, which runs beside this one during an upgrade.

-- Deletes an execution with all that belongs to it and the messages to it; false where it is not there
-- or has another version.
create function baton_remove(p_home smallint, p_id uuid, p_version bigint) returns boolean
language plpgsql
as $$
begin
    delete from execution where shard = p_home and id = p_id and version = p_version;
    if not found then
        return false;
    end if;
    delete from journal where shard = p_home and execution_id = p_id;
    delete from snapshot where shard = p_home and execution_id = p_id;
    delete from task_log where shard = p_home and execution_id = p_id;
    delete from idempotency where execution_id = p_id;
    -- No index leads here by execution, nor to a message by its receiver: these rows are few, and
    -- such an index would cost each task or message two writes.
    delete from ready where shard = p_home and execution_id = p_id;
    delete from message where to_id = p_id;
    return true;
end
$$;
