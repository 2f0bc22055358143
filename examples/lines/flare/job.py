"""The job: three simulated sites, ten rounds of FedAvg."""

from model import Net
from nvflare.app_opt.pt.recipes.fedavg import FedAvgRecipe
from nvflare.recipe import SimEnv

recipe = FedAvgRecipe(name="digits", model=Net(), min_clients=3, num_rounds=10, train_script="train.py")
run = recipe.execute(SimEnv(num_clients=3))
print(run.get_result())
