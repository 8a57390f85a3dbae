"""A Stable Diffusion model of some thousand random weights and an IP-Adapter, as libraries save them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from safetensors.torch import save_file
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

WIDTH = 32  # of the text, which the picture attends to
TOKENS = 4  # that an IP-Adapter makes of a picture


def save_model(folder: Path, *, strict: bool = False) -> str:
    """The model's folder; a strict one takes every picture for unsafe."""
    torch.manual_seed(0)
    tokenizer = _tokenizer(folder)
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=[8, 8],
            down_block_types=["DownEncoderBlock2D"] * 2,
            up_block_types=["UpDecoderBlock2D"] * 2,
            latent_channels=4,
            norm_num_groups=2,
        ),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=WIDTH,
                intermediate_size=WIDTH,
                num_hidden_layers=1,
                num_attention_heads=4,
                max_position_embeddings=16,
                bos_token_id=0,
                eos_token_id=1,
                pad_token_id=1,
            )
        ),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(
            block_out_channels=(8, 16),
            layers_per_block=1,
            sample_size=32,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=WIDTH,
            norm_num_groups=2,
            attention_head_dim=2,
        ),
        scheduler=DDIMScheduler(
            beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1
        ),
        safety_checker=_checker() if strict else None,
        feature_extractor=CLIPImageProcessor(size=32, crop_size=32) if strict else None,
        requires_safety_checker=strict,
    )
    pipeline.save_pretrained(folder / "model")
    return str(folder / "model")


def _checker() -> StableDiffusionSafetyChecker:
    """Its thresholds lie so low that each picture is above one."""
    checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=_sight().to_dict(), projection_dim=WIDTH))
    checker.concept_embeds_weights.data.fill_(-1)
    return checker


def _sight() -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
    )


def save_adapter(folder: Path, model: str) -> str:
    """The adapter's weights, with the folder of its picture encoder beside them."""
    torch.manual_seed(1)
    CLIPVisionModelWithProjection(_sight()).save_pretrained(folder / "image_encoder")
    weights = {
        "image_proj.proj.weight": torch.randn(TOKENS * WIDTH, WIDTH),
        "image_proj.proj.bias": torch.randn(TOKENS * WIDTH),
        "image_proj.norm.weight": torch.ones(WIDTH),
        "image_proj.norm.bias": torch.zeros(WIDTH),
    }
    # Keys are numbered as diffusers reads them: 1, 3, 5 … by the order of the cross attentions.
    unet = UNet2DConditionModel.from_pretrained(model, subfolder="unet")
    sizes = [
        module.to_q.in_features
        for name, module in unet.named_modules()
        if name.endswith("attn2") and hasattr(module, "to_q")
    ]
    for number, size in enumerate(sizes):
        for part in ("k", "v"):
            weights[f"ip_adapter.{2 * number + 1}.to_{part}_ip.weight"] = torch.randn(size, WIDTH)
    save_file(weights, folder / "adapter.safetensors")
    return str(folder / "adapter.safetensors")


def _tokenizer(folder: Path) -> CLIPTokenizer:
    """A letter a token."""
    letters = [chr(code) for code in range(33, 127)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    vocabulary = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16)
