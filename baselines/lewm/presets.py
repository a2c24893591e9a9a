"""Recipes of LeWorldModel."""

from swm.baselines.lewm.model import LeWMConfig
from swm.baselines.presets import Preset
from swm.baselines.train import TrainConfig

PRESETS = {
    "paper": Preset(
        summary="arXiv 2603.19312: ViT-Tiny on 224 x 224, 18.0 M parameters, ten epochs of PushT on one GPU.",
        model=LeWMConfig(),
        train=TrainConfig(steps=140_000, seed=3072),
    ),
    "tiny": Preset(
        summary="Conv encoder on 64 x 64 and a narrow latent: TwoRoom on a CPU.",
        model=LeWMConfig(
            encoder="conv",
            conv_channels=(16, 32, 64, 64),
            encoder_width=128,
            latent_dim=32,
            projector_hidden=256,
            predictor_width=64,
            predictor_depth=2,
            predictor_heads=4,
            predictor_head_dim=16,
            predictor_hidden=256,
            dropout=0.0,
            action_hidden=128,
            history=1,
            sigreg_slices=128,
        ),
        train=TrainConfig(
            steps=4000, learning_rate=1e-3, warmup=0.05, log_every=20, eval_every=500, checkpoint_every=500
        ),
    ),
}
