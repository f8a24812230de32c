"""Sounds, pages and other media as debug samples: of files, of streams, of links."""

import io
import wave
from pathlib import Path

from clearml import Task

task = Task.init(project_name="examples", task_name="media", reuse_last_task_id=False)
logger = task.get_logger()
with wave.open("tone.wav", "wb") as sound:
    sound.setnchannels(1)
    sound.setsampwidth(1)
    sound.setframerate(8000)
    sound.writeframes(bytes(128 + (n % 20) for n in range(800)))
logger.report_media("sound", "file", iteration=0, local_path="tone.wav")
logger.report_media(
    "sound", "stream", iteration=0, stream=io.BytesIO(Path("tone.wav").read_bytes()), file_extension="wav"
)
logger.report_media("page", "html", iteration=0, stream=io.StringIO("<p>hello</p>"), file_extension=".html")
logger.report_media("link", "video", iteration=1, url="https://videos.example.com/one.mp4")
logger.report_media("link", "kept", iteration=1, url="https://videos.example.com/two.mp4", delete_after_upload=False)
task.close()
