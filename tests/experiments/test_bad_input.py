"""What cannot be run is refused in one sentence, before anything slow is imported and anything is written."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

COMMANDS = {  # what is typed -> what the sentence must hold
    "--config-name blindspot": "no preset blindspot; there are attribution_truth, blindspots,",
    "signal=one_pixl": "no signal one_pixl; there are clean,",
    "model=resnet57": "no model resnet57; there are alexnet, ar50, ar50_seasonal, bag_of_words,",
    "--config-name blindspots_text model=resnet8": "the model resnet is for image data; documentation is text data",
    "--config-name blindspots_text model=tfidf data=reviews data.path=/no/where": "/no/where not found: looked for",
    "--config-name blindspots_text model=tfidf data=reviews": "data.path must be given: data.path=...",
    "--config-name blindspots_text model=tfidf data.alphabet=abc": "an alphabet must have the space",
    "model=tfidf signal=clean": "the model tfidf is for text data; digits is image data",
    "signal=length": "the signal length is for text data; digits is image data",
    "fit=shorty": "no fit shorty; there are",
    "hydra/launcher=slurm": "no hydra/launcher slurm; there are basic,",
    "seeds=1": "no setting seeds in this preset",
    "model.with=0.5 model=resnet8": "resnet has no parameter with (did you mean width?)",
    "signal=noise signal.amplitude=-0.1": "noise: amplitude must be a number, at least 0, got -0.1",
    "signal=noise signal.amplitude=strong": "amplitude must be a number, at least 0, got 'strong'",
    "signal=noise signal.amplitude=0.1,-1": "amplitude must be a number, at least 0, got -1",  # the second of two
    "signal=noise signal.amplitude=nan": "amplitude must be a number",
    "condition=blank condition.magnitude=2": "magnitude must be a number between 0 and 1, got 2",
    "seed=-1": "seed must be a whole number, at least 0, got -1",
    "model=lda baseline_fraction=0": "baseline_fraction must be",
    "fit.iterations=8 fit.warmup=60": "warmup must be at least 0 and below iterations (8), got 60",
    "env.device=gpu": "env.device must be one of auto, cpu, cuda, got 'gpu'",
    "env.device=cuda": "torch sees no CUDA device here",
    "env.threads=0": "env.threads must be one of auto or a whole number, at least 1, got 0",
    "env.threads=abc": "env.threads must be one of auto or a whole number, at least 1, got 'abc'",
    "env.checkpoint_seconds=-1": "env.checkpoint_seconds must be a number, at least 0, got -1",
    "env.runs=": "env.runs must be the path of a folder, got an empty text; is a variable of the shell not set?",
    "env.results=null": "env.results must be the path of a folder, got None",
    "logger=wandb logger.project=": "logger.project must be the name of a W&B project, got ''",
    "study=null": "study must be the name of a study, got None; there are attribution_truth, blindspots,",
    "study=../../tmp/mine.study": "no ../../tmp/mine.study in studies",  # a path is no module
    "seed=99999999999999999999999": "seed must be a whole number of at most 18 digits",
    "seed=range(0,0)": "seed=range(0,0) names nothing to sweep over",
    "hydra.sweeper.max_batch_size=abc": "max_batch_size must be a whole number, at least 1, got 'abc'",
    "--config-dir /nope": "/nope",
    "model=resnet8 fit.n_train=3": "n_train must be at least the number of classes, 10, got 3",
    "model=resnet8 fit.holdout=1": "holdout=1 of 4800 samples holds out 4800 of them",
    "model=resnet8 fit.milestones=[5,5]": "milestones must be rising iterations",
    "logger=tensorboard": "no logger tensorboard; there are none, wandb",
    "one_pixel": "one_pixel",
    "signal=[one_pixel": "[",
    "data=cifar10": "CIFAR-10 not found",
    "data=mnist": "MNIST not found",
    "data=image_folder": "data.path",
    "data=image_folder data.path=absent": "images not found",
    "data=image_folder data.path=one_class": "expected at least two class folders with images, got cat",
    "data=image_folder data.path=unreadable": "unreadable/dog/broken.png",
    "data=image_folder data.path=pictures data.size=0": "size must be a whole number, at least 1 and at most 10000",
    "data=image_folder data.path=few signal=clean": "dog",  # one image cannot be split
}


OTHERS = {  # the same of other presets, in processes that have the slow imports behind them
    "complexity csg=null": "csg must be a mapping of settings, as in configs/, got None",
    "complexity csg.samples_per_class=1": "samples_per_class must be a whole number, at least 2, got 1",
    "complexity sizes=[100,100]": "a list that names each thing once (100 stands there twice)",
    "complexity sizes=[99999999]": "sizes must be a list of whole numbers, at least 2 and at most 10000000",
    "complexity samples.nope=1": "samples.nope must be one of thresholds, csg",
    "complexity embedding=penultimate model=lda": "penultimate takes the features of a network, lda is none",
    "capacity input_shape=[3,32] n_classes=10 model=lenet": "lenet takes images [C, H, W]",
    "capacity input_shape=[3,1000000,1000000] n_classes=10": "an input must have at most",
    "capacity input_shape=[3,9000,9000] n_classes=10 model=mlp": "weights on inputs of 243,000,000 values",
    "traffic reference=null": "reference must be a mapping with the name of a method of forecasting, got None",
    "traffic fits=3": "fits must be a mapping of settings, as in configs/, got 3",
    "traffic model=traffic_cnn fits.traffic_cnn=3": "traffic_cnn must be a mapping of settings, as in configs/, got 3",
    "tsviz example=999999999": "example must be one of the",
    "tsviz analyses=[importance,importance]": "names each thing once (importance stands there twice)",
    "resampling ratios=[1,1.0]": "names each thing once (1.0 stands there twice)",
    "resampling repeats=99999999": "repeats must be a whole number, at least 1 and at most 1000",
    "under_the_hood images=99999999": "images must be a whole number, at least 1 and at most 100, got 99999999",
    "under_the_hood samples=99999999": "samples must be a whole number, at least 20 and at most 10000",
    "under_the_hood techniques=[lines,lines]": "names each thing once (lines stands there twice)",
    "attribution_truth images=99999999": "images must be a whole number, at least 1 and at most 10000",
}


def pictures(folder: Path, **counts: int) -> Path:
    rng = np.random.default_rng(0)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 255, (9, 9, 3), np.uint8)).save(folder / name / f"{i}.png")
    return folder


TIMED = list(COMMANDS)[::8]  # by a Python of their own; the others save its start


@pytest.fixture(scope="module")
def told(command, warm, tmp_path_factory):
    """(what a command said, the files it left), each in a folder with nothing but some images."""
    images = tmp_path_factory.mktemp("images")
    pictures(images / "one_class", cat=3)
    pictures(images / "pictures", cat=3, dog=3)
    pictures(images / "few", cat=3, dog=1)
    (pictures(images / "unreadable", cat=3, dog=3) / "dog" / "broken.png").write_bytes(b"no image")

    def run(typed: str):
        folder = tmp_path_factory.mktemp("empty")
        for source in images.iterdir():
            (folder / source.name).symlink_to(source)
        done = (command if typed in TIMED else warm)("blindspots.py", *typed.split(), cwd=folder)
        return done, {file.name for file in folder.iterdir()} - {source.name for source in images.iterdir()}

    return {typed: run(typed) for typed in COMMANDS}


@pytest.mark.parametrize("typed", COMMANDS)
def test_one_sentence_at_once_and_nothing_written(told, typed):
    done, written = told[typed]
    assert done.code not in (0, 1) and done.out == "", done
    assert len(done.lines) == 1 and done.lines[0].startswith("convscope: "), done.err
    assert COMMANDS[typed] in done.lines[0] and "Traceback" not in done.err
    assert written == set() and done.cpu < 3  # seconds of work, of those in TIMED; torch alone takes two


@pytest.mark.parametrize("typed", OTHERS)
def test_other_presets_too(typed, warm, tmp_path):
    script, *arguments = typed.split()
    done = warm(f"{script}.py", *arguments, cwd=tmp_path)
    assert done.code == 2 and done.out == "" and list(tmp_path.iterdir()) == [], done
    assert len(done.lines) == 1 and done.lines[0].startswith("convscope: ") and OTHERS[typed] in done.lines[0], done.err


def test_every_message_names_what_to_do_and_no_python(told):
    for typed, (done, _) in told.items():
        words = ("Error(", "object_type", "full_key", "<class '", "hydra.cc")
        assert not any(word in done.err for word in words), (typed, done.err)


def test_a_traceback_on_demand(command, tmp_path):
    done = command("blindspots.py", "seed=-1", "env.debug=true", cwd=tmp_path)
    assert done.code == 2 and "Traceback" in done.err
    assert done.lines[-1] == "convscope: seed must be a whole number, at least 0, got -1"


def test_the_other_scripts_too(command, tmp_path):
    for script, *arguments in (("report.py", "absent"), ("runs.py", "show", "0"), ("runs.py", "import", "absent.tar"),
                               ("runs.py", "remove")):
        done = command(script, *arguments, cwd=tmp_path)
        assert done.code != 0 and len(done.lines) == 1 and done.err.startswith("convscope: "), done.err
    assert list(tmp_path.iterdir()) == []
