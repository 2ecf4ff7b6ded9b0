#!/bin/bash
# Paints a tree of photos on many nodes, as an array of Slurm:
#   sbatch slurm.sh wave /data/photos /data/painted
# Submitted again, it paints what is missing; sbatch --array=3,17 does so for two of the parts.
#SBATCH --job-name=fastnst
#SBATCH --array=0-63
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --output=fastnst-%A-%a.log
set -eu

# The length of --array above. SLURM_ARRAY_TASK_COUNT would be 2 after --array=3,17.
parts=64
exec fastnst stylize --model "$1" --recursive "$2" --output "$3/" \
    --shard "$((SLURM_ARRAY_TASK_ID + 1))/$parts" --threads "$SLURM_CPUS_PER_TASK"
