"""The wheel: the package `red`, and inside of it, as data, the folders that `red init` gives away."""

from setuptools import find_packages, setup

FOLDERS = {f"red.packaged.{name}": name for name in ("analysis", "config", "slurm", "workflow")}

setup(
    packages=[*find_packages(include=["red", "red.*"]), *FOLDERS],
    package_dir=FOLDERS,
    package_data={
        "": ["*.csv", "*.css", "*.html", "*.js", "*.LICENSE", "*.pyi", "*.yaml", "py.typed"],
        **dict.fromkeys(FOLDERS, ["**/*"]),
    },
    exclude_package_data={"": ["**/__pycache__/*", "__pycache__/*"]},
)
