"""S1, "Python Client Library" as printed; only host, port and code_path differ."""
# ruff: noqa

import sys
# Install with: pip install beam-mcp-client
from beam_mcp_client import MCPClient

# Create client
client = MCPClient(sys.argv[1])

# Submit job
job_id = client.submit_job(
    name="my-flink-job",
    runner="flink",
    job_type="STREAMING",
    code_path=sys.argv[2],
    options={
        "parallelism": 4,
        "checkpoint_interval": 60000,
        "state_backend": "rocksdb",
        "input_source": "kafka://input-topic",
        "output_sink": "kafka://output-topic"
    }
)

# Check status
status = client.get_job_status(job_id)

# Scale job
client.scale_job(job_id, 8)

# Create savepoint
savepoint_path = client.create_savepoint(job_id)

# Cancel job
client.cancel_job(job_id)

# Close when done
client.close()
