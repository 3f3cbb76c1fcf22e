"""The float twin of the integer network: trained by pretrain, adapted to one image by adapt."""
