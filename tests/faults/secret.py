"""A secret in the variables of an environment where secrets are kept."""

SECRET = "s3cr3t-c0ff33-5150"
NAMES = ("HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "RED_TOKEN", "SOMETHING")
SECRETS = dict.fromkeys(NAMES, SECRET)
