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
            conv_channels=(32, 64, 64),
            encoder_width=128,
            latent_dim=8,
            projector_hidden=256,
            predictor_width=96,
            predictor_depth=2,
            predictor_heads=4,
            predictor_head_dim=24,
            predictor_hidden=192,
            dropout=0.0,
            action_hidden=96,
            history=1,
            sigreg_weight=0.01,
            sigreg_slices=64,
            inverse_dynamics_weight=1.0,
        ),
        train=TrainConfig(
            steps=3000, learning_rate=2e-3, warmup=0.03, log_every=20, eval_every=500, checkpoint_every=500
        ),
    ),
}
