"""S1, "Basic Usage": the printed snippets in order; only host, port and code_path differ."""
# ruff: noqa

import sys
import requests
import json
import sseclient

# Server URL
base_url = sys.argv[1]

# Initialize MCP connection
def initialize_mcp():
    response = requests.post(
        f"{base_url}/api/v1/mcp/initialize",
        json={
            "protocol_version": "1.0",
            "client": {
                "name": "beam-flink-client",
                "version": "1.0.0"
            },
            "capabilities": {
                "tool.job_management": {
                    "supported": True,
                    "version": "1.0"
                },
                "beam.runners": {
                    "supported": True,
                    "version": "1.0"
                }
            }
        }
    )
    
    # Get connection ID
    connection_id = response.headers.get("X-MCP-Connection-ID")
    
    # Mark connection as initialized
    requests.post(
        f"{base_url}/api/v1/mcp/initialized",
        headers={"X-MCP-Connection-ID": connection_id}
    )
    
    return connection_id

connection_id = initialize_mcp()

def submit_flink_job(connection_id, job_name, pipeline_path):
    response = requests.post(
        f"{base_url}/api/v1/jobs",
        headers={"X-MCP-Connection-ID": connection_id},
        json={
            "job_name": job_name,
            "runner_type": "flink",
            "job_type": "STREAMING",  # or "BATCH" for batch jobs
            "code_path": pipeline_path,
            "pipeline_options": {
                "parallelism": 4,
                "checkpoint_interval": 60000,  # 60 seconds
                "state_backend": "rocksdb",
                "input_source": "kafka://input-topic",
                "output_sink": "kafka://output-topic"
            }
        }
    )
    
    return response.json()["job_id"]

job_id = submit_flink_job(connection_id, "my-flink-job", sys.argv[2])

def check_job_status(connection_id, job_id):
    response = requests.get(
        f"{base_url}/api/v1/jobs/{job_id}",
        headers={"X-MCP-Connection-ID": connection_id}
    )
    
    return response.json()

status = check_job_status(connection_id, job_id)
print(f"Job status: {status['state']}")
print(f"Start time: {status['start_time']}")
print(f"Duration: {status['duration']} seconds")

def scale_job(connection_id, job_id, parallelism):
    response = requests.post(
        f"{base_url}/api/v1/jobs/{job_id}/scale",
        headers={"X-MCP-Connection-ID": connection_id},
        json={"parallelism": parallelism}
    )
    
    return response.json()

scale_result = scale_job(connection_id, job_id, 8)  # Scale to 8 parallel tasks

def create_savepoint(connection_id, job_id, savepoint_path=None):
    payload = {}
    if savepoint_path:
        payload["savepoint_path"] = savepoint_path
        
    response = requests.post(
        f"{base_url}/api/v1/jobs/{job_id}/savepoint",
        headers={"X-MCP-Connection-ID": connection_id},
        json=payload
    )
    
    return response.json()

savepoint = create_savepoint(connection_id, job_id)
savepoint_path = savepoint["savepoint_path"]
print(f"Savepoint created at: {savepoint_path}")

def cancel_job(connection_id, job_id, savepoint=True):
    response = requests.post(
        f"{base_url}/api/v1/jobs/{job_id}/cancel",
        headers={"X-MCP-Connection-ID": connection_id},
        json={"with_savepoint": savepoint}
    )
    
    return response.json()

cancel_result = cancel_job(connection_id, job_id)

def close_mcp_connection(connection_id):
    # Send shutdown request
    requests.post(
        f"{base_url}/api/v1/mcp/shutdown",
        headers={"X-MCP-Connection-ID": connection_id},
        json={}
    )
    
    # Send exit notification
    requests.post(
        f"{base_url}/api/v1/mcp/exit",
        headers={"X-MCP-Connection-ID": connection_id}
    )

close_mcp_connection(connection_id)
