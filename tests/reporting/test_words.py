"""Words that captions share."""

from convscope.reporting.words import short


def test_labels_lose_the_folders_of_a_users_modules():
    assert short(["my_lab.models.net width=0.5", "resnet depth=8", "net, my_lab.attacks.speckle, eps 0.1"]) == [
        "net width=0.5", "resnet depth=8", "net, speckle, eps 0.1"]
    assert short(["image_folder path=a.b", "x=1e-3.5"]) == ["image_folder path=a.b", "x=1e-3.5"]


def test_two_that_would_read_the_same_keep_them():
    assert short(["a.net", "b.net", "a.net", "a.lda"]) == ["a.net", "b.net", "a.net", "lda"]
