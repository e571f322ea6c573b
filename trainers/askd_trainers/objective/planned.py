"""The mass of each term of a recipe, before any step is taken."""

from askd_trainers.objective.learning_rate import phased_multiplier
from askd_trainers.objective.mass import Mass
from askd_trainers.objective.schedules import LossSchedule
from askd_trainers.recipe import Recipe


def planned_mass(recipe: Recipe) -> dict[str, float]:
    """Return `<term>_mass` as `Mass.means`, over all steps of the recipe.

    What is measured only in training is taken at its most: an adaptive weight as if the gap stayed, a phase A as if it ended last.
    """
    optimisation, mass = recipe.optimisation, Mass()
    schedule = LossSchedule(recipe.objective, optimisation.steps)
    for step in range(optimisation.steps):
        rate = phased_multiplier(
            step,
            kind=optimisation.learning_rate_schedule,
            total=optimisation.steps,
            warmup=optimisation.warmup_steps,
            phase_a=schedule.phase_a_steps,
            phase_b=optimisation.phase_b_learning_rate,
        )
        mass.add(rate, schedule.weights(step))
    return mass.means()
