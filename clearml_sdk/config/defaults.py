"""Default values of the configuration keys that the SDK reads; the meaning of each is in the documentation."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULTS: "dict[str, Any]" = {
    "api": {
        "auth": {"token_expiration_threshold_sec": 360},
        "http": {
            "extra_retry_codes": [],
            "max_req_size": 15728640,
            "pool_connections": 512,
            "pool_maxsize": 512,
            "retries": {
                "backoff_factor": 1.0,
                "backoff_max": 120.0,
                "connect": 240,
                "read": 240,
                "redirect": 240,
                "status": 240,
                "total": 240,
            },
            "wait_on_maintenance_forever": True,
        },
        "ssl_error_count_verbosity": 2,
        "verify_certificate": True,
        "credentials": {},
    },
    "sdk": {
        "apply_environment": False,
        "apply_files": False,
        "aws": {
            "boto3": {
                "connect_timeout": 60,
                "max_multipart_concurrency": 16,
                "multipart_chunksize": 8388608,
                "multipart_threshold": 8388608,
                "pool_connections": 512,
                "read_timeout": 60,
                "s3": {},
                "stream_connections": 128,
            },
            "s3": {
                "credentials": [],
                "extra_args": {},
                "key": "",
                "profile": "",
                "region": "",
                "secret": "",
                "secure": True,
                "token": "",
                "use_credentials_chain": False,
            },
        },
        "azure": {"storage": {"containers": [], "max_connections": 0}},
        "dataset": {
            "preview": {
                "media": {
                    "audio_count": 10,
                    "html_count": 10,
                    "image_count": 10,
                    "json_count": 10,
                    "max_file_size": 5242880,
                    "video_count": 10,
                },
                "tabular": {"row_count": 10, "table_count": 10},
            }
        },
        "development": {
            "artifacts": {"auto_pickle": True},
            "default_output_uri": "",
            "default_shell_binary": "/bin/bash",
            "detailed_import_report": False,
            "detect_with_conda_freeze": True,
            "detect_with_pip_freeze": False,
            "force_analyze_entire_repo": False,
            "jupyter_server_password": "",
            "log_os_environments": [],
            "store_code_diff_from_remote": False,
            "store_dataviews_on_creation": True,
            "store_jupyter_notebook_artifact": True,
            "store_uncommitted_code_diff": True,
            "support_stopping": True,
            "suppress_update_message": False,
            "task_reuse_time_window_in_hours": 72.0,
            "vcs_repo_detect_async": True,
            "worker": {
                "console_cr_flush_period": 10,
                "log_stdout": True,
                "ping_period_sec": 30,
                "report_event_flush_threshold": 100,
                "report_global_mem_used": False,
                "report_period_sec": 2,
            },
        },
        "google": {
            "storage": {"credentials": [], "pool_connections": 512, "pool_maxsize": 1024, "stream_connections": 128}
        },
        "http": {"download": {"max_retries": 15}, "timeout": {"connection": 30, "total": 30}},
        "log": {"disable_urllib3_info": True, "None_log_propagate": False, "task_log_buffer_capacity": 66},
        "metrics": {
            "file_history_size": 100,
            "images": {"format": "JPEG", "quality": 87, "subsampling": 0},
            "matplotlib_untitled_history_size": 100,
            "plot_upload_destination": "",
            "tensorboard_single_series_per_graph": False,
        },
        "network": {
            "file_upload_retries": 3,
            "iteration": {"max_retries_on_server_error": 5, "retry_backoff_factor_sec": 10},
            "metrics": {"file_upload_starvation_warning_sec": 120, "file_upload_threads": 4},
        },
        "resource_monitoring": {"default_gpu_utilization": 100},
        "storage": {
            "block_pickled_artifacts": False,
            "cache": {
                "cleanup_seconds_threshold": 20.0,
                "default_base_dir": "~/.clearml/cache",
                "default_cache_manager_size": 100,
                "disk_space_file_size_strategy": {
                    "file_entry_lookup_size": 0,
                    "secondary": {
                        "file_entry_lookup_size": 0,
                        "size": {"cleanup_margin_percent": 0.05, "max_used_bytes": -1, "min_free_bytes": "10GB"},
                        "zero_file_size_check": False,
                    },
                    "size": {"cleanup_margin_percent": 0.05, "max_used_bytes": -1, "min_free_bytes": "10GB"},
                    "zero_file_size_check": False,
                },
                "enable": [{"url": "*"}],
                "max_cleanup_attempts": 5,
                "size": {"min_free_bytes": "10GB"},
            },
            "dataset_chunk_size_mb": 512,
            "direct_access": [{"url": "file://*"}],
            "http": {"legacy_fileservers": []},
            "log": {"report_download_chunk_size_mb": 5, "report_upload_chunk_size_mb": 5},
            "path_substitution": [],
        },
    },
}
