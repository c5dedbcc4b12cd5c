"""What every end-to-end case needs: processes, databases, a client and a report."""
