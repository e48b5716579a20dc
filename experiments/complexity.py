"""Data complexity (debugging paper, Table 1 and Figure 1): how much is there to learn in a data set?

    uv run experiments/complexity.py                                     # toys and digits, a minute
    uv run experiments/complexity.py --config-name complexity_table1     # the paper's eight data sets
    uv run experiments/complexity.py data=table data.path=my.csv         # your own: the last column is the class
"""

from launch import launch

if __name__ == "__main__":
    launch("complexity")
